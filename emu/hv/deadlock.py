"""Explains why no actor can ever go on: what each vcpu waits for, and what is pending for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

EE = mask("MSR", "EE")


def explain(host: Host) -> str:
    """Say in one line for each vcpu why it cannot run."""
    return "\n".join(_vcpu(host, vcpu) for vcpu in host.vcpus)


def _vcpu(host: Host, vcpu: Vcpu) -> str:
    words = host.words
    where = host.where(vcpu.index)
    nia = words[vcpu.arch.nia]
    if words[vcpu.stopped]:
        doing = "is stopped (RTAS start-cpu would start it)"
    elif words[vcpu.ceded]:
        doing = f"is ceded (H_CEDE) at {nia:#x}"
    elif where:
        doing = f"waits in {where[-1].function.rsplit('.', 1)[-1]} at {nia:#x}"
    else:
        doing = f"has ended at {nia:#x}"
    ee = "1" if words[vcpu.arch.msr] & EE else "0"
    return f"{vcpu.name} {doing}, MSR[EE] = {ee}: {_pending(host, vcpu)}"


def _pending(host: Host, vcpu: Vcpu) -> str:
    words = host.words
    found = []
    saved = words[vcpu.vcore.dpdes] >> vcpu.ptid & 1
    if words[vcpu.doorbell_request] or saved:
        found.append("a doorbell is pending")
    if words[vcpu.pending_exceptions]:
        found.append("an external interrupt is pending")
    if words[vcpu.prodded]:
        found.append("it has been prodded")
    if not found:
        found.append("no doorbell, external interrupt or prod is pending")
    if not words[vcpu.arch.dec_armed]:
        found.append("its decrementer was never set")
    return ", ".join(found)
