"""H_CEDE and H_PROD on POWER9: handled in the hypervisor, by the vcpu's own task.

Source: kvmppc_cede(), kvmppc_vcpu_check_block() and kvmppc_vcore_blocked() of book3s_hv.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.event import Event
from emu.hv.host_sched import sched_in, sched_out, set_deadline
from emu.hv.ops import (
    Await,
    Check,
    CompareAndSet,
    HostCode,
    Or,
    Read,
    Trace,
    Write,
    nonzero,
    past,
)
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

EE = mask("MSR", "EE")


def kvmppc_cede(vcpu: Vcpu) -> HostCode[None]:
    """Mark a vcpu as ceded with interrupts on, unless a prod came first."""
    yield Trace(Event.CEDE, vcpu.index)
    yield Or(vcpu.arch.msr, EE)
    yield Write(vcpu.ceded, 1)  # barrier: H_PROD sets prodded, then looks at ceded
    if (yield Read(vcpu.prodded)):
        yield Write(vcpu.prodded, 0)
        yield Write(vcpu.ceded, 0)


def kvmppc_vcpu_woken(vcpu: Vcpu) -> HostCode[bool]:
    """Whether a ceded vcpu has a reason to run: the predicate of the wait.

    A prod that ends this H_CEDE is used up by it.
    """
    if (yield Read(vcpu.pending_exceptions, limit=1)):
        return True
    if (yield CompareAndSet(vcpu.prodded, 1, 0)):
        return True
    if (yield from kvmppc_doorbell_pending(vcpu)):
        return True
    if not (yield Read(vcpu.arch.dec_armed, limit=1)):
        return False
    yield from set_deadline(vcpu.timer, vcpu.arch.dec_expires, -vcpu.kvm.tb_offset)
    expired: bool = yield Check(past(vcpu.timer))
    return expired


def kvmppc_doorbell_pending(vcpu: Vcpu) -> HostCode[bool]:
    """Whether a doorbell waits for a vcpu that is not in the guest."""
    if vcpu.kvm.generation.native_doorbells:
        pending: bool = yield Check(nonzero(vcpu.vcore.dpdes, 1 << vcpu.ptid))
    else:
        pending = yield Check(nonzero(vcpu.doorbell_request))
    return pending


def kvmppc_vcpu_check_block(vcpu: Vcpu) -> HostCode[bool]:
    """Whether its task must not wait: not ceded any more, woken, or wanted in userspace."""
    if not (yield Read(vcpu.ceded)):
        return True
    if (yield from kvmppc_vcpu_woken(vcpu)):
        yield Write(vcpu.ceded, 0)  # a prod is used up: this H_CEDE has ended
        return True
    wanted = yield Read(vcpu.request_exit)
    return bool(wanted)


def kvmppc_vcore_blocked(vcpu: Vcpu) -> HostCode[None]:
    """Wait until there is a reason to run; a host timer stands in for the decrementer.

    If it is a signal, the vcpu is still ceded afterwards, and its next KVM_RUN waits on. (KVM lets
    H_CEDE return then, as it always may; a VM that is stopped here does not notice.)
    """
    while True:
        yield Write(vcpu.awake, 0)  # set_current_state(), with its barrier, then look again
        if (yield from kvmppc_vcpu_check_block(vcpu)):
            return
        yield Trace(Event.BLOCKED, vcpu.index)
        yield from sched_out(vcpu)
        if (yield Read(vcpu.arch.dec_armed, limit=1)):
            yield Await(nonzero(vcpu.awake), deadline=vcpu.timer)
        else:
            yield Await(nonzero(vcpu.awake))
        yield from sched_in(vcpu)
        yield Trace(Event.WAKEUP, vcpu.index)
