"""Into the guest and out again on POWER7 and POWER8: what each hardware thread does in real mode.

The threads of a (sub)core share LPIDR, so they are in one partition or in none: thread 0 switches
the MMU, the others wait for it. Source: book3s_hv_rmhandlers.S (kvmppc_hv_entry, guest_exit_cont,
kvmhv_commence_exit in book3s_hv_builtin.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.host_sched import NEVER, set_deadline
from emu.hv.kvm import EXITING, NAPPING_NOVCPU
from emu.hv.ops import (
    WORD,
    Add,
    Await,
    Check,
    Clear,
    Copy,
    HostCode,
    Inject,
    OneOf,
    Or,
    Read,
    ReadTrap,
    Reason,
    Relax,
    RunGuest,
    Trace,
    Write,
    all_out,
    at_least,
    nonzero,
    past,
    zero,
)
from emu.hv.p9_entry import EXIT_EVENTS, exit_detail
from emu.hv.real_mode_hcalls import kvmppc_h_cede, kvmppc_read_intr, kvmppc_rm_h_confer
from emu.hv.vpa import count_dispatch
from emu.hv.xics import H_IPOLL, XICS_HCALLS, kvmppc_xics_hcall
from emu.isa.hcalls import BY_NAME as HCALLS
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.kvm import HostThread, Vcore, Vcpu

MSR_PR: Final = mask("MSR", "PR")
SRR1_ILL: Final = mask("SRR1", "ILL")
PROGRAM: Final = INTERRUPTS["program"].vector
SYSTEM_CALL: Final = INTERRUPTS["system_call"].vector
H_CEDE: Final = HCALLS["H_CEDE"].number
H_CONFER: Final = HCALLS["H_CONFER"].number

# With less than this left of HDEC it is not worth entering.
SOON: Final = 512


def kvmppc_hv_entry(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Run whatever vcpu is assigned to this thread until the vcore exits."""
    if not (yield from _enter(cpu, vcore)):
        yield from _too_late(cpu, vcore)
        return
    if cpu.tir == 0:
        yield from _switch_to_guest(cpu, vcore)
    else:
        # Loads its registers meanwhile, but does not use them before the MMU is the guest's.
        yield Await(nonzero(vcore.in_guest), at_least(vcore.entry_exit, EXITING))
    vcpu = yield from _assigned(cpu, vcore)
    exiting = yield Check(at_least(vcore.entry_exit, EXITING))
    if vcpu is None and not exiting:
        vcpu = yield from _nap_without_vcpu(cpu, vcore)
    if vcpu is not None and not exiting:
        yield from _run_vcpu(cpu, vcore, vcpu)
    yield from _leave(cpu, vcore, vcpu)


def _enter(cpu: HostThread, vcore: Vcore) -> HostCode[bool]:
    """Count this thread in, unless one has begun to exit."""
    if vcore.kvm.policy.entry_exit == "map":
        entered: bool = yield Or(vcore.entry_exit, 1 << cpu.tir, limit=EXITING)
    else:
        entered = yield Add(vcore.entry_exit, 1, limit=EXITING)
    return entered


def _assigned(cpu: HostThread, vcore: Vcore) -> HostCode[Vcpu | None]:
    """Return the vcpu that the host assigned to this thread."""
    indices = tuple(1 + vcpu.index for vcpu in vcore.vcpus)
    number = yield OneOf(cpu.kvm_vcpu, indices)
    return None if number is None else vcore.vcpus[indices.index(number)]


def _too_late(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Give the vcpu back: some thread has begun to exit."""
    vcpu = yield from _assigned(cpu, vcore)
    if vcpu is not None:
        yield Trace(Event.TOO_LATE, vcpu.index)
        yield Write(vcpu.cpu, 0)
        yield Write(vcpu.thread_cpu, 0)


# ---- the MMU: thread 0 only -----------------------------------------------------------------


def _switch_to_guest(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Make the (sub)core the guest's: LPIDR, timebase offset, DPDES."""
    yield Write(cpu.subproc.lpid, vcore.kvm.lpid)
    yield Write(cpu.subproc.tb_offset, vcore.kvm.tb_offset)
    yield Write(cpu.subproc.vtb_offset, vcore.kvm.vtb_offset)
    if vcore.kvm.generation.native_doorbells:
        yield Copy(cpu.subproc.dpdes, vcore.dpdes)
    yield Write(vcore.in_guest, 1)
    yield Trace(Event.MMU_GUEST, vcore.vcpus[0].index)


def _switch_to_host(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Make it the host's, once every thread that entered has exited and saved its state."""
    yield Await(all_out(vcore.entry_exit))
    yield Write(cpu.subproc.lpid, 0)
    if vcore.kvm.generation.native_doorbells:
        yield Copy(vcore.dpdes, cpu.subproc.dpdes)
        yield Write(cpu.subproc.dpdes, 0)  # the host must not take the guest's doorbell
    yield Write(cpu.subproc.tb_offset, 0)
    yield Write(vcore.in_guest, 0)
    yield Trace(Event.MMU_HOST, vcore.vcpus[0].index)


# ---- in the guest ---------------------------------------------------------------------------


def _run_vcpu(cpu: HostThread, vcore: Vcore, vcpu: Vcpu) -> HostCode[None]:
    """Load a vcpu and run it until it, or another thread, makes the vcore exit."""
    thread = cpu.thread
    yield Write(thread.vcpu, 1 + vcpu.index)
    yield Copy(thread.lpcr, vcore.lpcr)
    yield Copy(thread.hfscr, vcpu.hfscr)
    if (yield Read(vcpu.queued, limit=1)):
        yield Write(vcpu.queued, 0)
        yield Inject(cpu.number, PROGRAM, SRR1_ILL)
    if cpu.timeslice:
        yield from set_deadline(cpu.dec, thread.hdec_expires, -SOON)
        if (yield Check(past(cpu.dec))):
            yield Write(vcpu.trap, Reason.HDEC)
            return
    if cpu.tir == 0 and len(vcore.vcpus) > 1:
        # The siblings that spun on in_guest come in now; on hardware all run at once. This thread
        # is past its look at entry_exit, so one that leaves at once does not keep it out.
        yield Relax()
    while True:
        yield Write(vcpu.ceded, 0)
        yield Copy(thread.lpcr, vcore.lpcr)
        yield from _deliver_guest_interrupt(vcpu)
        if vcpu.kvm.firmware:
            yield from count_dispatch(vcpu)
        yield Trace(Event.ENTER, vcpu.index, vcpu.gpr(3))
        yield RunGuest(cpu.number, vcpu.trap)
        if vcpu.kvm.firmware:
            yield from count_dispatch(vcpu)
        if not (yield from _resume(cpu, vcore, vcpu)):
            return


def _deliver_guest_interrupt(vcpu: Vcpu) -> HostCode[None]:
    """Make an external interrupt that is pending visible to the guest (LPCR[MER])."""
    external = yield Read(vcpu.pending_exceptions, limit=1)
    yield Write(vcpu.arch.external_pending, external)


def _resume(cpu: HostThread, vcore: Vcore, vcpu: Vcpu) -> HostCode[bool]:
    """Handle an exit in real mode if that is possible; False: this thread leaves the guest."""
    exit_ = yield ReadTrap(vcpu.trap)
    yield Trace(EXIT_EVENTS[exit_.reason], vcpu.index, exit_detail(vcpu, exit_.reason))
    if exit_.reason is Reason.HCALL:
        resume: bool = yield from _real_mode_hcall(cpu, vcore, vcpu, exit_.detail)
        return resume
    if exit_.reason is Reason.HDEC:
        expired: bool = yield Check(past(cpu.thread.hdec_expires))
        return not expired  # above zero again: a leftover
    if exit_.reason in (Reason.EXTERNAL, Reason.H_DOORBELL):
        if (yield from kvmppc_read_intr(cpu)):
            return False
        exiting: bool = yield Check(at_least(vcore.entry_exit, EXITING))
        return not exiting
    return exit_.reason is Reason.STOP


def _real_mode_hcall(
    cpu: HostThread, vcore: Vcore, vcpu: Vcpu, number: int | None
) -> HostCode[bool]:
    """Handle an hcall without leaving the core's partition; False: leave, and let the host."""
    if (yield Check(nonzero(vcpu.arch.msr, MSR_PR))):
        yield Inject(cpu.number, SYSTEM_CALL)
        return True
    if number == H_CEDE:
        resume: bool = yield from kvmppc_h_cede(cpu, vcore, vcpu)
        return resume
    if number in XICS_HCALLS and number != H_IPOLL:
        code = yield from kvmppc_xics_hcall(vcpu, number)
        yield Write(vcpu.gpr(3), code & WORD)
        return True
    if number == H_CONFER:
        resume = yield from kvmppc_rm_h_confer(cpu, vcore, vcpu)
        return resume
    return False


def _nap_without_vcpu(cpu: HostThread, vcore: Vcore) -> HostCode[Vcpu | None]:
    """Nap as thread 0 whose vcpu is elsewhere, until it comes (returns it) or the vcore exits.

    A guest doorbell to this thread sets its bit of DPDES but must not wake it: PECEDP is clear.
    """
    while True:
        yield Write(cpu.napping, NAPPING_NOVCPU)
        yield Or(vcore.napping_threads, 1 << cpu.tir)
        # HDEC does not wake a napping thread: its own decrementer stands in.
        yield Copy(cpu.dec, cpu.thread.hdec_expires)
        yield Trace(Event.NAP, vcore.vcpus[0].index)
        woken = yield Await(
            nonzero(cpu.thread.hdoorbell),
            nonzero(cpu.thread.xics_ipi),
            deadline=cpu.dec,
        )
        yield Clear(vcore.napping_threads, 1 << cpu.tir)
        yield Write(cpu.napping, 0)
        if woken is None:
            return None
        if (yield from kvmppc_read_intr(cpu)):
            return None
        if (yield Check(at_least(vcore.entry_exit, EXITING))):
            return None
        vcpu = yield from _assigned(cpu, vcore)
        if vcpu is not None:
            return vcpu


# ---- out of it ------------------------------------------------------------------------------


def _leave(cpu: HostThread, vcore: Vcore, vcpu: Vcpu | None) -> HostCode[None]:
    """Exit: pull the others out, save the guest's state, and only then switch the MMU."""
    yield from kvmhv_commence_exit(cpu, vcore, vcpu)
    if vcpu is not None:
        yield Write(vcpu.cpu, 0)
        yield Write(vcpu.thread_cpu, 0)
        yield Write(cpu.thread.vcpu, 0)  # its registers are saved
    if cpu.tir == 0:
        yield from _switch_to_host(cpu, vcore)
    else:
        yield Await(zero(vcore.in_guest))
    yield Write(cpu.thread.hdec_expires, NEVER)
    yield Write(cpu.thread.lpcr, 0)


def kvmhv_commence_exit(cpu: HostThread, vcore: Vcore, vcpu: Vcpu | None) -> HostCode[None]:
    """Say that this thread exits; the first one to say so pulls the others out."""
    first = yield from _count_out(cpu, vcore)
    if not first:
        return
    hdec = yield from _left_by_hdec(vcpu)
    if not hdec and len(vcore.vcpus) > 1:
        # Meanwhile the others go on: else one whose stays are short would keep them from executing
        # a single instruction, for ever.
        yield Relax()
    if vcore.kvm.policy.entry_exit == "map":
        if not hdec:
            yield from _interrupt_entered(cpu, vcore, vcpu)
        return
    if not hdec:
        for other in vcore.threads:
            yield Write(other.thread.hdec_expires, 0)  # one register, which the threads share
    yield from _interrupt_napping(cpu, vcore)


def _count_out(cpu: HostThread, vcore: Vcore) -> HostCode[bool]:
    """Count this thread out; whether it is the first that exits.

    One atomic operation in the kernel; here it is two, which nobody can tell from one.
    """
    if vcore.kvm.policy.entry_exit == "map":
        mine = EXITING << cpu.tir
        if (yield Or(vcore.entry_exit, mine, limit=EXITING)):
            return True
        yield Or(vcore.entry_exit, mine)
        return False
    if (yield Add(vcore.entry_exit, EXITING, limit=EXITING)):
        return True
    yield Add(vcore.entry_exit, EXITING)
    return False


def _left_by_hdec(vcpu: Vcpu | None) -> HostCode[bool]:
    """Whether HDEC ended this thread's stay, so that it ends everybody's."""
    if vcpu is None:
        return False
    exit_ = yield ReadTrap(vcpu.trap)
    return bool(exit_.reason is Reason.HDEC)


def _interrupt_entered(cpu: HostThread, vcore: Vcore, vcpu: Vcpu | None) -> HostCode[None]:
    """Interrupt every other thread that has entered; napping ones wake by it too."""
    for other in vcore.threads:
        if other is not cpu and (yield Check(nonzero(vcore.entry_exit, 1 << other.tir))):
            yield from ipi_thread(other, vcpu)


def _interrupt_napping(cpu: HostThread, vcore: Vcore) -> HostCode[None]:
    """Interrupt the napping threads: HDEC does not wake them."""
    for other in vcore.threads:
        if other is not cpu and (yield Check(nonzero(vcore.napping_threads, 1 << other.tir))):
            yield from ipi_thread(other, None)


def ipi_thread(other: HostThread, vcpu: Vcpu | None) -> HostCode[None]:
    """Interrupt a hardware thread of the same core: msgsnd on POWER8, the XICS on POWER7."""
    yield Trace(Event.IPI, 0 if vcpu is None else vcpu.index)
    if other.msgsnd:
        yield Write(other.thread.hdoorbell, 1)
    else:
        yield Write(other.thread.xics_ipi, 1)
