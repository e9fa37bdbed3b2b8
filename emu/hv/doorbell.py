"""Doorbells on POWER9: msgsndp, msgclrp, TIR and DPDES, trapped by HFSCR[MSGP] and emulated.

Source: kvmppc_emulate_doorbell_instr() and kvmppc_read_dpdes() of book3s_hv.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.ipi import kvmppc_fast_vcpu_kick_hv, smp_call_function_single
from emu.hv.ops import Advance, Fetch, Gather, HostCode, OneOf, Or, Read, Scatter, Trace, Write
from emu.isa.msr import DOORBELL_TYPE
from emu.isa.sprs import SPRS

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

# Fields of a 32-bit instruction in bits 32:63 of a word, the book's bit 0 being bit 32.
OPCODE: Final = (32, 37)
XO: Final = (53, 62)
SPR_FIELD: Final = (43, 52)
RT_LAST: Final = 42
RB_LAST: Final = 52

MSGSNDP, MSGCLRP, MFSPR = 142, 174, 339


def _spr_field(name: str) -> int:
    """Return an SPR's number as instructions hold it: its halves swapped."""
    number = next(row.number for row in SPRS if row.name == name)
    return (number & 31) << 5 | number >> 5


TIR, DPDES = _spr_field("tir"), _spr_field("dpdes")


def kvmppc_emulate_doorbell_instr(vcpu: Vcpu) -> HostCode[bool]:
    """Emulate the doorbell instruction at NIA; False: it is none (EMULATE_FAIL).

    Operands that name nothing are no-ops, never an interrupt. If the instruction cannot be fetched
    the guest resumes at the same NIA and executes it again.
    """
    kvm = vcpu.kvm
    thr = vcpu.vcpu_id & (kvm.emul_smt_mode - 1)
    if not (yield Fetch(vcpu.index)):
        return True
    inst = vcpu.arch.exit_word
    if (yield Read(inst, *OPCODE)) != 31:
        return False
    xo = yield OneOf(inst, (MSGSNDP, MSGCLRP, MFSPR), *XO)
    if xo == MSGSNDP:
        yield from _msgsndp(vcpu, vcpu.vcpu_id - thr)
    elif xo == MSGCLRP:
        yield from _msgclrp(vcpu)
    elif xo == MFSPR:
        spr = yield OneOf(inst, (TIR, DPDES), *SPR_FIELD)
        if spr == TIR:
            yield Trace(Event.TIR_READ, vcpu.index)
            yield Write(vcpu.result, thr)
        elif spr == DPDES:
            yield from kvmppc_read_dpdes(vcpu)
        else:
            return False
        yield Scatter(vcpu.result, vcpu.gpr(0), inst, RT_LAST)
    else:
        return False
    yield Advance(vcpu.index)
    return True


def _msgsndp(vcpu: Vcpu, first_id: int) -> HostCode[None]:
    """Make the doorbell of thread (RB)57:63 of the virtual core pending, and kick it."""
    kvm = vcpu.kvm
    yield Gather(vcpu.arg, vcpu.gpr(0), vcpu.arch.exit_word, RB_LAST)
    if (yield Read(vcpu.arg, 32, 36)) != DOORBELL_TYPE:
        yield Trace(Event.DOORBELL_IGNORED, vcpu.index, vcpu.arg)
        return
    thr = yield Read(vcpu.arg, 57, 63, limit=kvm.emul_smt_mode)
    target = kvm.find_vcpu(first_id + thr) if thr < kvm.emul_smt_mode else None
    if target is None:
        yield Trace(Event.DOORBELL_IGNORED, vcpu.index, vcpu.arg)
        return
    if (yield Read(target.doorbell_request)):
        yield Trace(Event.DOORBELL_COALESCED, vcpu.index, vcpu.arg)
        return
    yield Write(target.doorbell_request, 1)
    yield Trace(Event.DOORBELL_SENT, vcpu.index, vcpu.arg)
    yield from kvmppc_fast_vcpu_kick_hv(vcpu, target)


def _msgclrp(vcpu: Vcpu) -> HostCode[None]:
    """Drop this thread's own pending doorbell; the operand's tag does not matter."""
    yield Gather(vcpu.arg, vcpu.gpr(0), vcpu.arch.exit_word, RB_LAST)
    if (yield Read(vcpu.arg, 32, 36)) != DOORBELL_TYPE:
        yield Trace(Event.DOORBELL_IGNORED, vcpu.index, vcpu.arg)
        return
    yield Write(vcpu.doorbell_request, 0)
    yield Trace(Event.DOORBELL_CLEARED, vcpu.index, vcpu.arg)


def kvmppc_read_dpdes(vcpu: Vcpu) -> HostCode[None]:
    """Collect the pending doorbells of the virtual core in vcpu.result.

    A vcpu that is in the guest is interrupted first, because its exit saves the hardware's DPDES.
    The answer is an approximation: the threads are sampled one after the other, and one may have
    entered the guest again between its answer and its sample (then its bit reads 0).
    """
    kvm = vcpu.kvm
    mode = kvm.emul_smt_mode
    base = vcpu.vcpu_id & -mode
    yield Trace(Event.DPDES_READ, vcpu.index)
    yield Write(vcpu.result, 0)
    for thr in range(mode):
        v = kvm.find_vcpu(base + thr)
        if v is None:
            continue
        cpu = yield Read(v.cpu)
        if cpu:
            yield from smp_call_function_single(vcpu, kvm.cpus[cpu - 1])
        if (yield Read(v.doorbell_request)):
            yield Or(vcpu.result, 1 << thr)
