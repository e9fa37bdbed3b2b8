"""Hypercalls handled in real mode on POWER7 and POWER8, without leaving the core's partition.

Each answers whether the guest resumes; if not, this thread exits, and the host goes on. Source:
kvmppc_h_cede and kvmppc_read_intr of book3s_hv_rmhandlers.S, kvmppc_rm_h_confer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.host_sched import NEVER, set_deadline
from emu.hv.kvm import EXITING, NAPPING_CEDE
from emu.hv.ops import (
    Await,
    Check,
    Clear,
    CompareAndSet,
    HostCode,
    Minimum,
    Or,
    OrUnless,
    Read,
    Relax,
    Trace,
    Write,
    at_least,
    nonzero,
)
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.kvm import HostThread, Vcore, Vcpu

MSR_EE: Final = mask("MSR", "EE")


def kvmppc_read_intr(cpu: HostThread) -> HostCode[bool]:
    """Acknowledge what interrupted this thread; whether the host is wanted.

    host_ipi is looked at before the interrupt is acknowledged and again after: if the host asked
    in between, its interrupt is the one that was swallowed, and is raised again.
    """
    if (yield Read(cpu.host_ipi)):
        return True
    yield Write(cpu.thread.xics_ipi, 0)
    yield Write(cpu.thread.hdoorbell, 0)
    if (yield Read(cpu.host_ipi)):
        yield Write(cpu.thread.xics_ipi, 1)
        return True
    return False


def kvmppc_h_cede(cpu: HostThread, vcore: Vcore, vcpu: Vcpu) -> HostCode[bool]:
    """Nap until the vcpu has a reason to run; leave if all other threads are idle too."""
    yield Trace(Event.CEDE, vcpu.index)
    yield Write(vcpu.trap, 0)
    yield Write(vcpu.gpr(3), 0)
    yield Or(vcpu.arch.msr, MSR_EE)
    yield Write(vcpu.ceded, 1)  # barrier: H_PROD sets prodded, then looks at ceded
    if (yield Read(vcpu.prodded)):
        yield Write(vcpu.prodded, 0)
        yield Write(vcpu.ceded, 0)
        return True
    if not (yield from _may_nap(cpu, vcore)):
        return False
    # Nap bit first, exit test second; who exits does it the other way round.
    yield Write(cpu.napping, NAPPING_CEDE)
    if (yield Check(at_least(vcore.entry_exit, EXITING))):
        yield from _end_nap(cpu, vcore)
        return False
    wanted = yield from _nap(cpu, vcore, vcpu)
    if (yield CompareAndSet(vcpu.prodded, 1, 0)):
        yield Write(vcpu.ceded, 0)  # the prod is used up: this H_CEDE has ended, also for the host
    yield from _end_nap(cpu, vcore)
    if wanted:
        return False
    exiting: bool = yield Check(at_least(vcore.entry_exit, EXITING))
    return not exiting


def _may_nap(cpu: HostThread, vcore: Vcore) -> HostCode[bool]:
    """Mark this thread as napping, unless all others that entered nap already."""
    mine = 1 << cpu.tir
    entered = yield Read(vcore.entry_exit, 56, 63)
    if vcore.kvm.policy.entry_exit == "map":
        marked: bool = yield OrUnless(vcore.napping_threads, mine, entered)
        return marked
    while True:
        napping = yield Read(vcore.napping_threads, 56, 63)
        if (napping | mine).bit_count() >= entered:
            return False
        if (yield CompareAndSet(vcore.napping_threads, napping, napping | mine)):
            return True


def _nap(cpu: HostThread, vcore: Vcore, vcpu: Vcpu) -> HostCode[bool]:
    """Sleep until an external interrupt, a doorbell or the decrementer; whether the host is wanted.

    Only the map variant can do without an interrupt when HDEC expires: it keeps DEC <= HDEC.
    """
    thread = cpu.thread
    if (yield Read(vcpu.arch.dec_armed, limit=1)):
        yield from set_deadline(cpu.dec, vcpu.arch.dec_expires, -vcore.kvm.tb_offset)
    else:
        yield Write(cpu.dec, NEVER)
    if vcore.kvm.policy.entry_exit == "map":
        yield Minimum(cpu.dec, thread.hdec_expires)
    yield Trace(Event.NAP, vcpu.index)
    yield Await(
        nonzero(thread.hdoorbell),
        nonzero(thread.xics_ipi),
        nonzero(cpu.subproc.dpdes, 1 << cpu.tir),
        nonzero(vcpu.arch.external_pending),  # LPCR[MER]: a mediated external interrupt
        deadline=cpu.dec,
    )
    yield Trace(Event.NAP_WAKE, vcpu.index)
    wanted: bool = yield from kvmppc_read_intr(cpu)
    return wanted


def _end_nap(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Say that this thread does not nap any more."""
    yield Clear(vcore.napping_threads, 1 << cpu.tir)
    yield Write(cpu.napping, 0)


def kvmppc_rm_h_confer(cpu: HostThread, vcore: Vcore, vcpu: Vcpu) -> HostCode[bool]:
    """Let the other threads go first; to the host if all of them nap or confer."""
    mine = 1 << cpu.tir
    yield Or(vcore.conferring_threads, mine)
    yield Relax()
    for other in vcore.threads:
        if (yield Check(at_least(vcore.entry_exit, EXITING))):
            break
        if not (yield from _entered(vcore, other)):
            continue
        bit = 1 << other.tir
        if (yield Check(nonzero(vcore.napping_threads, bit))):
            continue
        if not (yield Check(nonzero(vcore.conferring_threads, bit))):
            break
    else:
        yield Clear(vcore.conferring_threads, mine)
        return False
    yield Clear(vcore.conferring_threads, mine)
    yield Write(vcpu.gpr(3), 0)
    return True


def _entered(vcore: Vcore, other: HostThread) -> HostCode[bool]:
    """Whether a thread of the vcore runs; by the counters alone that cannot be told."""
    if vcore.kvm.policy.entry_exit == "map":
        entered: bool = yield Check(nonzero(vcore.entry_exit, 1 << other.tir))
    else:
        entered = yield Check(nonzero(other.kvm_vcpu))
    return entered
