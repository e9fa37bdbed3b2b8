"""Into the guest and out again on POWER9, where each hardware thread is a partition of its own.

The order is the point: every step here that another cpu can see is one yield, in KVM's order
(kvmhv_run_single_vcpu() of book3s_hv.c, kvmhv_vcpu_entry_p9() of book3s_hv_p9_entry.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.event import Event
from emu.hv.ipi import local_irq_disable, local_irq_enable
from emu.hv.kvm import BUSY_IN_HOST, RUNNABLE
from emu.hv.ops import (
    Copy,
    Exit,
    HostCode,
    Read,
    ReadTrap,
    Reason,
    RunGuest,
    Trace,
    Write,
)
from emu.hv.vpa import count_dispatch

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

EXIT_EVENTS = {
    Reason.HCALL: Event.EXIT_HCALL,
    Reason.HFAC_UNAVAIL: Event.EXIT_HFAC_UNAVAIL,
    Reason.EMUL_ASSIST: Event.EXIT_EMUL_ASSIST,
    Reason.HDEC: Event.EXIT_HDEC,
    Reason.H_DOORBELL: Event.EXIT_H_DOORBELL,
    Reason.EXTERNAL: Event.EXIT_EXTERNAL,
    Reason.STOP: Event.EXIT_STOP,
}


def kvmhv_run_single_vcpu(vcpu: Vcpu) -> HostCode[Exit | None]:
    """Run a vcpu in the guest once; None if something came up before it could enter."""
    cpu = vcpu.pcpu
    yield from local_irq_disable(cpu)
    yield Write(vcpu.state, RUNNABLE)
    if (yield Read(vcpu.request_exit)) or (yield Read(cpu.need_resched)):
        yield Write(vcpu.state, BUSY_IN_HOST)
        yield from local_irq_enable(cpu)
        return None
    yield Write(vcpu.ceded, 0)
    # Published before any pending flag is looked at (with a barrier between): a sender sets the
    # flag first and looks here afterwards, so at least one of the two sees the other.
    yield Write(vcpu.cpu, 1 + cpu.number)
    yield Write(vcpu.thread_cpu, 1 + cpu.number)
    external = yield Read(vcpu.pending_exceptions, limit=1)
    yield Write(vcpu.arch.external_pending, external)
    yield from kvmhv_vcpu_entry_p9(vcpu)
    yield Write(vcpu.cpu, 0)
    yield Write(vcpu.thread_cpu, 0)
    yield Write(vcpu.state, BUSY_IN_HOST)
    yield from local_irq_enable(cpu)
    exit_: Exit = yield ReadTrap(vcpu.trap)
    yield Trace(EXIT_EVENTS[exit_.reason], vcpu.index, exit_detail(vcpu, exit_.reason))
    return exit_


def exit_detail(vcpu: Vcpu, reason: Reason) -> int:
    """Return the word that a trace shows of an exit: hcall number or instruction, 0 = none."""
    if reason is Reason.HCALL:
        return vcpu.gpr(3)
    if reason in (Reason.HFAC_UNAVAIL, Reason.EMUL_ASSIST):
        return vcpu.arch.exit_word
    return 0


def kvmhv_vcpu_entry_p9(vcpu: Vcpu) -> HostCode[None]:
    """Load the guest's state, run it, save it; a doorbell goes in and comes out with it."""
    cpu = vcpu.pcpu
    thread, subproc = cpu.thread, cpu.subproc
    yield Write(thread.vcpu, 1 + vcpu.index)
    yield Copy(thread.lpcr, vcpu.vcore.lpcr)
    if (yield Read(vcpu.doorbell_request)):
        yield Write(vcpu.doorbell_request, 0)
        yield Write(subproc.dpdes, 1)
    yield Copy(thread.hfscr, vcpu.hfscr)
    yield Write(subproc.lpid, vcpu.kvm.lpid)
    yield Write(subproc.tb_offset, vcpu.kvm.tb_offset)
    yield Write(subproc.vtb_offset, vcpu.kvm.vtb_offset)
    if vcpu.kvm.firmware:
        yield from count_dispatch(vcpu)
    yield Trace(Event.ENTER, vcpu.index, vcpu.gpr(3))
    yield RunGuest(cpu.number, vcpu.trap)
    if vcpu.kvm.firmware:
        yield from count_dispatch(vcpu)
    if (yield Read(subproc.dpdes)):
        yield Write(vcpu.doorbell_request, 1)  # merged: a 0 here must not erase a sender's 1
        yield Write(subproc.dpdes, 0)
    yield Write(subproc.lpid, 0)
