"""Hypercalls that the kernel part handles, and the order in which they are tried.

A code goes to r3; a handler that knows no answer passes the call on to userspace.
Source: kvmppc_pseries_do_hcall() of book3s_hv.c; PAPR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.ipi import kvmppc_fast_vcpu_kick_hv
from emu.hv.ops import Check, Compare, HostCode, OneOf, Random, Read, Relax, Trace, Write, equal
from emu.hv.xics import XICS_HCALLS, kvmppc_xics_hcall
from emu.isa.hcalls import BY_NAME, RETURN_CODES

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

WORD = (1 << 64) - 1


def hcall_number(name: str) -> int:
    """Return the number of an hcall by its PAPR name."""
    return BY_NAME[name].number


H_CEDE: Final = hcall_number("H_CEDE")
H_PROD: Final = hcall_number("H_PROD")
H_CONFER: Final = hcall_number("H_CONFER")
H_RANDOM: Final = hcall_number("H_RANDOM")

H_SUCCESS: Final = RETURN_CODES["H_SUCCESS"]
H_FUNCTION: Final = RETURN_CODES["H_FUNCTION"]
H_PARAMETER: Final = RETURN_CODES["H_PARAMETER"]


def set_result(vcpu: Vcpu, code: int) -> HostCode[None]:
    """Put a return code into the guest's r3."""
    yield Write(vcpu.gpr(3), code & WORD)


def kvmppc_pseries_do_hcall(vcpu: Vcpu, number: int | None) -> HostCode[bool]:
    """Handle an hcall in the kernel; False: userspace must.

    number: one of the hcalls that this machine knows, or None.
    """
    if number == H_PROD:
        code = yield from h_prod(vcpu)
    elif number == H_CONFER:
        code = yield from h_confer(vcpu)
    elif number == H_RANDOM:
        yield Random(vcpu.gpr(4))
        code = H_SUCCESS
    elif number in XICS_HCALLS:
        code = yield from kvmppc_xics_hcall(vcpu, number)
    else:
        return False
    yield from set_result(vcpu, code)
    return True


def find_vcpu_argument(vcpu: Vcpu, ref: int) -> HostCode[Vcpu | None]:
    """Return the vcpu whose id is in a word."""
    ids = tuple(other.vcpu_id for other in vcpu.kvm.vcpus)
    vcpu_id = yield OneOf(ref, ids)
    return None if vcpu_id is None else vcpu.kvm.find_vcpu(vcpu_id)


def h_prod(vcpu: Vcpu) -> HostCode[int]:
    """Wake a vcpu from its H_CEDE, or make its next one return at once."""
    target = yield from find_vcpu_argument(vcpu, vcpu.gpr(4))
    if target is None:
        return H_PARAMETER
    yield Trace(Event.PROD, vcpu.index, vcpu.gpr(4))
    yield Write(target.prodded, 1)  # barrier: H_CEDE sets ceded, then looks at prodded
    if (yield Read(target.ceded)):
        yield from kvmppc_fast_vcpu_kick_hv(vcpu, target)
    return H_SUCCESS


def h_confer(vcpu: Vcpu) -> HostCode[int]:
    """Give the rest of the turn away, to the target if it has been preempted since.

    r5: the target's dispatch count as the caller read it; 0 without a VPA. If it is another by
    now, the target has been in the guest since, and needs no help.
    """
    if (yield Check(equal(vcpu.gpr(4), WORD))):
        return H_SUCCESS
    target = yield from find_vcpu_argument(vcpu, vcpu.gpr(4))
    if target is None:
        return H_PARAMETER
    if (yield Compare(vcpu.gpr(5), target.yield_count)) == 0:
        yield Relax()
    return H_SUCCESS
