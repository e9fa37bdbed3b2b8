"""The VMM's role: what happens to a vcpu while its KVM_RUN has returned.

A vcpu that is here is busy in host. Its registers are userspace's to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.hcalls import H_FUNCTION, H_PARAMETER, H_SUCCESS, hcall_number, set_result
from emu.hv.host_sched import sched_in, sched_out
from emu.hv.ipi import kvmppc_fast_vcpu_kick_hv
from emu.hv.ops import (
    Accumulate,
    Await,
    Call,
    Check,
    Clear,
    Copy,
    GetChars,
    HostCode,
    OneOf,
    Or,
    PutChars,
    Stop,
    Trace,
    at_least,
)
from emu.isa.hcalls import RETURN_CODES
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

H_GET_TERM_CHAR: Final = hcall_number("H_GET_TERM_CHAR")
H_PUT_TERM_CHAR: Final = hcall_number("H_PUT_TERM_CHAR")
H_SET_MODE: Final = hcall_number("H_SET_MODE")
H_EXIT: Final = hcall_number("H_EXIT")
H_BUSY: Final = hcall_number("H_BUSY")

LPCR_ILE: Final = mask("LPCR", "ILE")
LPCR_AIL: Final = mask("LPCR", "AIL")
RESOURCE_AIL, RESOURCE_ILE = 3, 4
VTY_UNIT: Final = 0x7100_0000  # the console of a pseries machine; 0 means the same one


def userspace_hcall(vcpu: Vcpu, number: int | None) -> HostCode[None]:
    """Handle an hcall that the kernel passed on; what nobody knows is H_FUNCTION."""
    yield Trace(Event.USERSPACE, vcpu.index, vcpu.gpr(3))
    if number == H_PUT_TERM_CHAR:
        yield from _put_term_char(vcpu)
    elif number == H_GET_TERM_CHAR:
        yield from _get_term_char(vcpu)
    elif number == H_SET_MODE:
        code = yield from _set_mode(vcpu)
        yield from set_result(vcpu, code)
    elif number == H_EXIT:
        yield Stop(vcpu.gpr(4))
    elif number == H_BUSY:
        yield from _busy(vcpu)
    elif number in vcpu.kvm.python_hcalls:
        yield Call(number, vcpu.index)
    else:
        yield from set_result(vcpu, H_FUNCTION)


def _has_terminal(vcpu: Vcpu) -> HostCode[bool]:
    """Whether r4 names the console. Bare guests have but one, and do not name it."""
    if not vcpu.kvm.firmware:
        return True
    unit = yield OneOf(vcpu.gpr(4), (0, VTY_UNIT))
    return unit is not None


def _get_term_char(vcpu: Vcpu) -> HostCode[None]:
    """Read up to 16 characters from the console into r5 and r6, their number into r4."""
    if not (yield from _has_terminal(vcpu)):
        yield from set_result(vcpu, H_PARAMETER)
        return
    yield GetChars(vcpu.kvm.number, vcpu.gpr(5), vcpu.gpr(4), vcpu.kvm.console_in)
    yield from set_result(vcpu, H_SUCCESS)


def _busy(vcpu: Vcpu) -> HostCode[None]:
    """Work on something of the VMM's own for r4 ticks, as if waiting for a device."""
    yield from set_result(vcpu, H_SUCCESS)
    yield Copy(vcpu.timer, vcpu.gpr(4))
    yield Accumulate(vcpu.timer, vcpu.pcpu.timebase)
    if vcpu.kvm.generation.independent_threads:
        yield from sched_out(vcpu)
        yield Await(deadline=vcpu.timer)
        yield from sched_in(vcpu)
    else:
        yield Await(deadline=vcpu.timer)


def _put_term_char(vcpu: Vcpu) -> HostCode[None]:
    """Write up to 16 characters, r6 and r7, to the console."""
    if not (yield from _has_terminal(vcpu)):
        yield from set_result(vcpu, H_PARAMETER)
        return
    if (yield Check(at_least(vcpu.gpr(5), 17))):
        yield from set_result(vcpu, H_PARAMETER)
        return
    yield PutChars(vcpu.kvm.number, vcpu.gpr(6), vcpu.gpr(5), vcpu.kvm.console_out)
    yield from set_result(vcpu, H_SUCCESS)


def _set_mode(vcpu: Vcpu) -> HostCode[int]:
    """Set where (AIL) and in which byte order (ILE) the guest's interrupts are taken.

    It concerns every vcpu: those in the guest are kicked, and come back with the new LPCR.
    """
    resource = yield OneOf(vcpu.gpr(5), (RESOURCE_AIL, RESOURCE_ILE))
    if resource is None:
        return RETURN_CODES["H_P2"]
    value = yield OneOf(vcpu.gpr(4), (0, 1, 3))
    if (yield Check(at_least(vcpu.gpr(6), 1))):
        return RETURN_CODES["H_P3"]
    if (yield Check(at_least(vcpu.gpr(7), 1))):
        return RETURN_CODES["H_P4"]
    if resource == RESOURCE_ILE:
        if value not in (0, 1):
            return RETURN_CODES["H_UNSUPPORTED_FLAG"]
        bits = LPCR_ILE
    else:
        if value not in (0, 3):
            return RETURN_CODES["H_UNSUPPORTED_FLAG"]
        bits = LPCR_AIL
    for vcore in vcpu.kvm.vcores:
        if value:
            yield Or(vcore.lpcr, bits)
        else:
            yield Clear(vcore.lpcr, bits)
    for other in vcpu.kvm.vcpus:
        if other is not vcpu:
            yield from kvmppc_fast_vcpu_kick_hv(vcpu, other)
    return H_SUCCESS
