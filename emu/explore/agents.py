"""Agents: host code beside the vcpus' tasks, for what happens to a VM from outside.

An agent is an actor of its own, so what it does comes at every possible time: a signal takes a
vcpu to userspace, a device raises a line, a VM is saved and restored. It acts once. Knows nothing
of litmus tests; they name agents in their headers.
"""

# ruff: noqa: ARG001  every agent is given the VM and a vcpu

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emu.core.engine import ACTOR_WORDS
from emu.errors import ConfigError
from emu.hv.ioctls import pull_out, set_external, signal_continue, signal_stop
from emu.hv.kvm import SYNCED
from emu.hv.ops import Await, Check, Copy, HostCode, Or, Read, Write, nonzero

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.hv.host import Host
    from emu.hv.kvm import Kvm, Vcpu


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: its name in headers, what it does in a sentence, whether it needs a vcpu's id."""

    name: str
    summary: str
    takes_vcpu: bool
    code: Callable[[Kvm, Vcpu], HostCode[None]]


def _signal(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    yield from signal_stop(vcpu)
    yield Await(nonzero(vcpu.in_userspace))
    yield from signal_continue(vcpu)


def _stop(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    yield from signal_stop(vcpu)


def _preempt(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    """Interrupt the thread that the vcpu is on, as the host does to run something else there."""
    yield from pull_out(vcpu)


def _external(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    yield from set_external(vcpu, True)


def _stop_all(kvm: Kvm) -> HostCode[None]:
    for each in kvm.vcpus:
        yield from signal_stop(each)
    for each in kvm.vcpus:
        yield Await(nonzero(each.in_userspace))


def _continue_all(kvm: Kvm) -> HostCode[None]:
    for each in kvm.vcpus:
        yield from signal_continue(each)


def _migrate(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    """Stop every vcpu, take their pending doorbells out as one-regs, put them in, go on.

    Registers and memory stay where they are: only what is pending has to be carried over.
    """
    yield from _stop_all(kvm)
    for each in kvm.vcpus:
        yield from get_dpdes(each)
    for each in kvm.vcpus:
        yield from forget_dpdes(each)
    for each in kvm.vcpus:
        yield from set_dpdes(each)
    yield from _continue_all(kvm)


def _from_power8(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    """Stop every vcpu, write their doorbells down as a POWER8 has them, set them here, go on."""
    if kvm.generation.native_doorbells:
        yield from _migrate(kvm, vcpu)
        return
    yield from _stop_all(kvm)
    for each in kvm.vcpus:
        yield from get_dpdes(each)
        if (yield Read(each.result)):
            yield Or(_image(each), 1 << _thread(each))
    for each in kvm.vcpus:
        yield from forget_dpdes(each)
    for each in kvm.vcpus:
        yield from import_dpdes(each)
    yield from _continue_all(kvm)


def _from_power9(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    """Stop every vcpu, write its doorbell down as a POWER9 has it, set them here, go on."""
    if not kvm.generation.native_doorbells:
        yield from _migrate(kvm, vcpu)
        return
    yield from _stop_all(kvm)
    for each in kvm.vcpus:
        yield Write(each.result, 0)
        if (yield Check(nonzero(each.vcore.dpdes, 1 << _thread(each)))):
            yield Write(each.result, 1)
    for each in kvm.vcpus:
        yield from forget_dpdes(each)
    for each in kvm.vcpus:
        if (yield Read(each.result)):
            yield Or(each.vcore.dpdes, 1 << _thread(each))
    yield from _continue_all(kvm)


def _sync(kvm: Kvm, vcpu: Vcpu) -> HostCode[None]:
    """Stop one vcpu, read its registers and write back those that userspace owns."""
    yield from signal_stop(vcpu)
    yield Await(nonzero(vcpu.in_userspace))
    yield from get_dpdes(vcpu)
    yield from get_registers(vcpu)
    yield from put_registers(vcpu)
    yield from put_run_time_registers(vcpu)
    yield from signal_continue(vcpu)


# ---- KVM_REG_PPC_DPDES, for a vcpu that is in userspace; vcpu.result is userspace's copy -------


def get_dpdes(vcpu: Vcpu) -> HostCode[None]:
    """Read the one-reg: the vcore's whole image on POWER8, the vcpu's own bit on POWER9."""
    if vcpu.kvm.generation.native_doorbells:
        yield Copy(vcpu.result, vcpu.vcore.dpdes)
        return
    yield Write(vcpu.result, 0)
    if (yield Read(vcpu.doorbell_request)):
        yield Write(vcpu.result, 1)


def forget_dpdes(vcpu: Vcpu) -> HostCode[None]:
    """What the destination of a migration begins with."""
    if vcpu.kvm.generation.native_doorbells:
        yield Write(vcpu.vcore.dpdes, 0)
    yield Write(vcpu.doorbell_request, 0)


def set_dpdes(vcpu: Vcpu) -> HostCode[None]:
    """Write the one-reg."""
    if vcpu.kvm.generation.native_doorbells:
        yield Copy(vcpu.vcore.dpdes, vcpu.result)
        return
    yield Write(vcpu.doorbell_request, 0)
    if (yield Read(vcpu.result)):
        yield Write(vcpu.doorbell_request, 1)


def import_dpdes(vcpu: Vcpu) -> HostCode[None]:
    """Set the one-reg of a POWER9 from the image of a POWER8, a bit for each thread of the core."""
    yield Write(vcpu.result, 0)
    if (yield Check(nonzero(_image(vcpu), 1 << _thread(vcpu)))):
        yield Write(vcpu.result, 1)
    yield from set_dpdes(vcpu)


def _thread(vcpu: Vcpu) -> int:
    """The number of a vcpu in its virtual core."""
    if vcpu.kvm.generation.native_doorbells:
        return vcpu.ptid
    return vcpu.vcpu_id % max(vcpu.kvm.emul_smt_mode, 1)


def _image(vcpu: Vcpu) -> int:
    """Where a virtual core's DPDES is written down: a word that POWER9 has no other use for."""
    first = vcpu.kvm.find_vcpu(vcpu.vcpu_id - _thread(vcpu))
    return (first or vcpu).vcore.dpdes


# ---- the other registers of a vcpu that is in userspace ------------------------------------------


def get_registers(vcpu: Vcpu) -> HostCode[None]:
    """KVM_GET_REGS: copy some of a stopped vcpu's registers."""
    for number, register in enumerate(_registers(vcpu)):
        yield Copy(vcpu.copies[number], register)


def put_registers(vcpu: Vcpu) -> HostCode[None]:
    """KVM_SET_REGS: write back what was copied."""
    for number, register in enumerate(_registers(vcpu)):
        yield Copy(register, vcpu.copies[number])


def _registers(vcpu: Vcpu) -> list[int]:
    """Refs of the registers that are copied."""
    return [vcpu.gpr(3) if name == "gpr3" else getattr(vcpu.arch, name) for name in SYNCED]


def put_run_time_registers(vcpu: Vcpu) -> HostCode[None]:
    """Write back what is the guest's alone while the VM runs; DPDES, the core's, is not."""
    yield from ()


AGENTS = {
    agent.name: agent
    for agent in (
        Agent("signal", "a signal takes a vcpu to userspace, and it comes back", True, _signal),
        Agent("stop", "a signal takes a vcpu to userspace, where it stays", True, _stop),
        Agent(
            "preempt",
            "the host interrupts a vcpu, which leaves the guest and goes on",
            True,
            _preempt,
        ),
        Agent("external", "a device asserts a vcpu's external interrupt", True, _external),
        Agent("migrate", "the VM is stopped, saved, restored and continued", False, _migrate),
        Agent(
            "from-power8",
            "the VM is stopped and continued as one that was saved on a POWER8",
            False,
            _from_power8,
        ),
        Agent(
            "from-power9",
            "the VM is stopped and continued as one that was saved on a POWER9",
            False,
            _from_power9,
        ),
        Agent("sync", "userspace stops a vcpu and syncs its registers", True, _sync),
    )
}


def parse(text: str) -> tuple[Agent, int]:
    """Read `signal:1`: an agent and the id of its vcpu (0 if it takes none). Raises ConfigError."""
    name, _, number = (part.strip() for part in text.partition(":"))
    agent = AGENTS.get(name)
    if agent is None:
        known = ", ".join(AGENTS)
        raise ConfigError(f"there is no agent {name[:40]!r}; agents are {known}")
    if agent.takes_vcpu != bool(number) or (number and not number.isdigit()):
        form = f"{name}:VCPU" if agent.takes_vcpu else name
        raise ConfigError(f"this agent is written {form}, got {text.strip()[:40]!r}")
    return agent, int(number or 0)


def post(host: Host, agents: Sequence[tuple[Agent, int]]) -> None:
    """Give each agent an actor of the host that has no code of its own."""
    idle = [
        i
        for i, actor in enumerate(host.actors)
        if i >= len(host.vcpus) and not host.words[_node(host, i)]
    ]
    if len(agents) > len(idle):
        raise ConfigError(f"this host has room for {len(idle)} agents, got {len(agents)}")
    kvm = host.kvms[0]
    for (agent, vcpu_id), actor in zip(agents, idle, strict=False):
        vcpu = kvm.find_vcpu(vcpu_id)
        if vcpu is None:
            raise ConfigError(f"agent {agent.name} names vcpu {vcpu_id}, which does not exist")
        host.words[_node(host, actor)] = host.automaton.root(partial(agent.code, kvm, vcpu))


def _node(host: Host, actor: int) -> int:
    return host.machine.area("actor") + actor * ACTOR_WORDS
