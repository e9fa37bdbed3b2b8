"""Rotates and shifts (Power ISA v3.0B Book I 3.3.14)."""

from __future__ import annotations

from emu.isa.bits import sign_extend

from .logical import finish, rb, rs
from .model import M32, M64, Instruction, Machine, semantics


def rotl64(value: int, n: int) -> int:
    """ROTL64(value, n)."""
    return (value << n | value >> (64 - n)) & M64


def rotl32(value: int, n: int) -> int:
    """ROTL32: the low word, twice, rotated."""
    low = value & M32
    return rotl64(low << 32 | low, n)


def mask(first: int, last: int) -> int:
    """MASK(first, last): ones from bit first to bit last, going round if first > last."""
    if first <= last:
        return (1 << (last - first + 1)) - 1 << (63 - last)
    return M64 & ~mask(last + 1, first - 1) if last + 1 <= first - 1 else M64


def _insert(m: Machine, i: Instruction, rotated: int, ones: int) -> None:
    finish(m, i, rotated & ones | m.gpr[i("RA")] & ~ones)


@semantics("rlwinm")
def _rlwinm(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl32(rs(m, i), i("SH")) & mask(i("MB") + 32, i("ME") + 32))


@semantics("rlwnm")
def _rlwnm(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl32(rs(m, i), rb(m, i) & 31) & mask(i("MB") + 32, i("ME") + 32))


@semantics("rlwimi")
def _rlwimi(m: Machine, i: Instruction) -> None:
    _insert(m, i, rotl32(rs(m, i), i("SH")), mask(i("MB") + 32, i("ME") + 32))


@semantics("rldicl")
def _rldicl(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl64(rs(m, i), i("sh")) & mask(i("mb"), 63))


@semantics("rldicr")
def _rldicr(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl64(rs(m, i), i("sh")) & mask(0, i("me")))


@semantics("rldic")
def _rldic(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl64(rs(m, i), i("sh")) & mask(i("mb"), 63 - i("sh")))


@semantics("rldcl")
def _rldcl(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl64(rs(m, i), rb(m, i) & 63) & mask(i("mb"), 63))


@semantics("rldcr")
def _rldcr(m: Machine, i: Instruction) -> None:
    finish(m, i, rotl64(rs(m, i), rb(m, i) & 63) & mask(0, i("me")))


@semantics("rldimi")
def _rldimi(m: Machine, i: Instruction) -> None:
    _insert(m, i, rotl64(rs(m, i), i("sh")), mask(i("mb"), 63 - i("sh")))


# ---- shifts: an amount of one bit more than the width needs shifts everything out -----------


@semantics("slw")
def _slw(m: Machine, i: Instruction) -> None:
    finish(m, i, rs(m, i) << (rb(m, i) & 63) & M32)


@semantics("srw")
def _srw(m: Machine, i: Instruction) -> None:
    finish(m, i, (rs(m, i) & M32) >> (rb(m, i) & 63))


@semantics("sld")
def _sld(m: Machine, i: Instruction) -> None:
    finish(m, i, rs(m, i) << (rb(m, i) & 127))


@semantics("srd")
def _srd(m: Machine, i: Instruction) -> None:
    finish(m, i, rs(m, i) >> (rb(m, i) & 127))


def _shift_algebraic(m: Machine, i: Instruction, amount: int, width: int) -> None:
    """CA = CA32 = the value is negative and a 1 was shifted out."""
    value = sign_extend(rs(m, i), width)
    result = value >> amount
    carry = int(value < 0 and result << amount != value)
    m.set_carry(carry, carry)
    finish(m, i, result)


@semantics("sraw")
def _sraw(m: Machine, i: Instruction) -> None:
    _shift_algebraic(m, i, rb(m, i) & 63, 32)


@semantics("srawi")
def _srawi(m: Machine, i: Instruction) -> None:
    _shift_algebraic(m, i, i("SH"), 32)


@semantics("srad")
def _srad(m: Machine, i: Instruction) -> None:
    _shift_algebraic(m, i, rb(m, i) & 127, 64)


@semantics("sradi")
def _sradi(m: Machine, i: Instruction) -> None:
    _shift_algebraic(m, i, i("sh"), 64)


@semantics("extswsli")
def _extswsli(m: Machine, i: Instruction) -> None:
    finish(m, i, sign_extend(rs(m, i), 32) << i("sh"))
