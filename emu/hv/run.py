"""A vcpu's task: userspace's loop around KVM_RUN, and the kernel's loop inside it.

Source: kvmppc_vcpu_run_hv() and kvmppc_handle_exit_hv() of book3s_hv.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.cede import kvmppc_cede, kvmppc_vcore_blocked
from emu.hv.doorbell import kvmppc_emulate_doorbell_instr
from emu.hv.event import Event
from emu.hv.hcalls import H_CEDE, H_SUCCESS, kvmppc_pseries_do_hcall, set_result
from emu.hv.host_sched import resched, sched_in, sched_out
from emu.hv.ioctls import wait_in_userspace
from emu.hv.ops import (
    Await,
    Check,
    Exit,
    HostCode,
    Inject,
    Or,
    Read,
    Reason,
    Trace,
    Write,
    nonzero,
    zero,
)
from emu.hv.p9_entry import kvmhv_run_single_vcpu
from emu.hv.userspace import userspace_hcall
from emu.hv.vcore import kvmppc_run_vcpu, leave_vcore
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

# What KVM_RUN returns instead of an hcall's number when a signal came.
INTERRUPTED: Final = -1

MSR_PR: Final = mask("MSR", "PR")
SRR1_ILL: Final = mask("SRR1", "ILL")
PROGRAM: Final = INTERRUPTS["program"].vector
SYSTEM_CALL: Final = INTERRUPTS["system_call"].vector
MSGP: Final = FACILITIES["MSGP"].ic
# Off at first, and switched on when the guest first uses them.
ON_DEMAND: Final = (FACILITIES["PM"].ic, FACILITIES["EBB"].ic)


def vcpu_task(vcpu: Vcpu) -> HostCode[None]:
    """Run a vcpu for ever: KVM_RUN, then whatever it asks of userspace."""
    if vcpu.kvm.generation.independent_threads:
        yield from sched_in(vcpu)
    while True:
        if vcpu.kvm.firmware and (yield Read(vcpu.stopped)):
            yield from _wait_for_start(vcpu)
        number = yield from kvmppc_vcpu_run_hv(vcpu)
        while number == INTERRUPTED:
            yield from wait_in_userspace(vcpu)
            number = yield from kvmppc_vcpu_run_hv(vcpu)
        yield from userspace_hcall(vcpu, number)


def _wait_for_start(vcpu: Vcpu) -> HostCode[None]:
    """Stay in userspace until RTAS start-cpu; nobody waits for this vcpu meanwhile."""
    if vcpu.kvm.generation.independent_threads:
        yield from sched_out(vcpu)
    else:
        yield from leave_vcore(vcpu)
    while True:
        yield Await(zero(vcpu.stopped), nonzero(vcpu.request_exit))
        if not (yield Read(vcpu.request_exit)):
            break
        yield Write(vcpu.in_userspace, 1)
        yield Await(zero(vcpu.request_exit))
        yield Write(vcpu.in_userspace, 0)
    if vcpu.kvm.generation.independent_threads:
        yield from sched_in(vcpu)


def kvmppc_vcpu_run_hv(vcpu: Vcpu) -> HostCode[int | None]:
    """KVM_RUN: returns the hcall that userspace must handle (KVM_EXIT_PAPR_HCALL).

    Or INTERRUPTED (KVM_EXIT_INTR). A vcpu that was ceded then, here or where it came from, is.
    """
    if vcpu.kvm.generation.independent_threads and (yield Read(vcpu.ceded)):
        yield from kvmppc_vcore_blocked(vcpu)
    while True:
        if vcpu.kvm.generation.independent_threads:
            exit_ = yield from kvmhv_run_single_vcpu(vcpu)
        else:
            exit_ = yield from kvmppc_run_vcpu(vcpu)
        if exit_ is None:
            if (yield Read(vcpu.request_exit)):
                return INTERRUPTED
            if vcpu.kvm.generation.independent_threads:
                yield from resched(vcpu)
        elif exit_.reason is Reason.HCALL:
            if not (yield from _hcall(vcpu, exit_.detail)):
                return exit_.detail
        else:
            yield from kvmppc_handle_exit_hv(vcpu, exit_)


def _hcall(vcpu: Vcpu, number: int | None) -> HostCode[bool]:
    """Handle sc 1; False: userspace must. From problem state it is the guest kernel's."""
    if not vcpu.kvm.generation.independent_threads:
        handled: bool = yield from kvmppc_pseries_do_hcall(vcpu, number)
        return handled  # the rest was done in real mode
    if (yield Check(nonzero(vcpu.arch.msr, MSR_PR))):
        yield Inject(vcpu.pcpu.number, SYSTEM_CALL)
        return True
    if number == H_CEDE:
        yield from set_result(vcpu, H_SUCCESS)
        yield from kvmppc_cede(vcpu)
        yield from kvmppc_vcore_blocked(vcpu)
        return True
    handled = yield from kvmppc_pseries_do_hcall(vcpu, number)
    return handled


def kvmppc_handle_exit_hv(vcpu: Vcpu, exit_: Exit) -> HostCode[None]:
    """Deal with an exit that is no hcall; the guest resumes afterwards."""
    if exit_.reason is Reason.HFAC_UNAVAIL:
        yield from _facility_unavailable(vcpu, exit_.detail)
    elif exit_.reason is Reason.EMUL_ASSIST:
        yield from kvmppc_core_queue_program(vcpu)
    elif exit_.reason is Reason.HDEC:
        yield from resched(vcpu)


def _facility_unavailable(vcpu: Vcpu, cause: int | None) -> HostCode[None]:
    """Emulate the doorbell facility, switch on what the guest may have, refuse the rest."""
    if cause == MSGP:
        if not (yield from kvmppc_emulate_doorbell_instr(vcpu)):
            yield from kvmppc_core_queue_program(vcpu)
    elif cause in ON_DEMAND:
        yield Or(vcpu.hfscr, 1 << cause)
    else:
        yield from kvmppc_core_queue_program(vcpu)


def kvmppc_core_queue_program(vcpu: Vcpu) -> HostCode[None]:
    """Give the guest an illegal-instruction program interrupt at NIA."""
    yield Trace(Event.PROGRAM, vcpu.index, vcpu.arch.exit_word)
    yield Inject(vcpu.pcpu.number, PROGRAM, SRR1_ILL)
