"""Logical and BCD-assist instructions (Power ISA v3.0B Book I 3.3.13 and 3.3.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.isa.bits import sign_extend

from .model import M32, M64, Instruction, Machine, record, semantics

if TYPE_CHECKING:
    from collections.abc import Callable


def rs(m: Machine, i: Instruction) -> int:
    """(RS)."""
    return m.gpr[i("RS")]


def rb(m: Machine, i: Instruction) -> int:
    """(RB)."""
    return m.gpr[i("RB")]


def finish(m: Machine, i: Instruction, result: int) -> None:
    """RA := result; CR0 for Rc forms."""
    m.gpr[i("RA")] = result & M64
    record(m, i, result)


def _immediate(name: str, operation: Callable[[int, int], int], shift: int) -> None:
    def run(m: Machine, i: Instruction) -> None:
        finish(m, i, operation(rs(m, i), i("UI") << shift))

    semantics(name)(run)


_immediate("ori", lambda a, b: a | b, 0)
_immediate("oris", lambda a, b: a | b, 16)
_immediate("xori", lambda a, b: a ^ b, 0)
_immediate("xoris", lambda a, b: a ^ b, 16)


@semantics("andi_")
def _andi(m: Machine, i: Instruction) -> None:
    finish(m, i, rs(m, i) & i("UI"))
    m.set_comparison(0, sign_extend(m.gpr[i("RA")], m.bits), 0)


@semantics("andis_")
def _andis(m: Machine, i: Instruction) -> None:
    finish(m, i, rs(m, i) & i("UI") << 16)
    m.set_comparison(0, sign_extend(m.gpr[i("RA")], m.bits), 0)


def _binary(name: str, operation: Callable[[int, int], int]) -> None:
    def run(m: Machine, i: Instruction) -> None:
        finish(m, i, operation(rs(m, i), rb(m, i)))

    semantics(name)(run)


_binary("and", lambda a, b: a & b)
_binary("or", lambda a, b: a | b)
_binary("xor", lambda a, b: a ^ b)
_binary("nand", lambda a, b: ~(a & b))
_binary("nor", lambda a, b: ~(a | b))
_binary("eqv", lambda a, b: ~(a ^ b))
_binary("andc", lambda a, b: a & ~b)
_binary("orc", lambda a, b: a | ~b)


def _unary(name: str, operation: Callable[[int], int]) -> None:
    def run(m: Machine, i: Instruction) -> None:
        finish(m, i, operation(rs(m, i)))

    semantics(name)(run)


def _leading(value: int, width: int) -> int:
    return width - value.bit_length()


def _trailing(value: int, width: int) -> int:
    return (value & -value).bit_length() - 1 if value else width


def _parity(value: int, width: int) -> int:
    """Parity of the low bits of the bytes in each group of `width` bits."""
    result = 0
    for start in range(0, 64, width):
        ones = sum(value >> (start + place) & 1 for place in range(0, width, 8))
        result |= (ones & 1) << start
    return result


def _count(value: int, width: int) -> int:
    """Ones in each group of `width` bits."""
    group = (1 << width) - 1
    return sum((value >> start & group).bit_count() << start for start in range(0, 64, width))


_unary("extsb", lambda a: sign_extend(a, 8))
_unary("extsh", lambda a: sign_extend(a, 16))
_unary("extsw", lambda a: sign_extend(a, 32))
_unary("cntlzw", lambda a: _leading(a & M32, 32))
_unary("cntlzd", lambda a: _leading(a, 64))
_unary("cnttzw", lambda a: _trailing(a & M32, 32))
_unary("cnttzd", lambda a: _trailing(a, 64))
_unary("popcntb", lambda a: _count(a, 8))
_unary("popcntw", lambda a: _count(a, 32))
_unary("popcntd", lambda a: _count(a, 64))
_unary("prtyw", lambda a: _parity(a, 32))
_unary("prtyd", lambda a: _parity(a, 64))


@semantics("cmpb")
def _cmpb(m: Machine, i: Instruction) -> None:
    pairs = zip(rs(m, i).to_bytes(8, "big"), rb(m, i).to_bytes(8, "big"), strict=True)
    m.gpr[i("RA")] = int.from_bytes(bytes(0xFF if a == b else 0 for a, b in pairs), "big")


@semantics("bpermd")
def _bpermd(m: Machine, i: Instruction) -> None:
    result = 0
    for index in rs(m, i).to_bytes(8, "big"):
        result = result << 1 | (rb(m, i) >> (63 - index) & 1 if index < 64 else 0)
    m.gpr[i("RA")] = result


# ---- BCD assist ----------------------------------------------------------------------------


def bcd_to_dpd(bcd: int) -> int:
    """12 bits, three BCD digits, to 10 bits of densely packed decimal (Book I appendix B)."""
    a, b, c, d, e, f, g, h, i, j, k, m = (bcd >> place & 1 for place in range(11, -1, -1))
    na, ne, ni = 1 - a, 1 - e, 1 - i
    p = (f & a & i & ne) | (j & a & ni) | (b & na)
    q = (g & a & i & ne) | (k & a & ni) | (c & na)
    s = (j & na & e & ni) | (f & ni & ne) | (f & na & ne) | (e & i)
    t = (k & na & e & ni) | (g & ni & ne) | (g & na & ne) | (a & i)
    v = a | e | i
    w = (ne & j & ni) | (e & i) | a
    x = (na & k & ni) | (a & i) | e
    return int("".join(map(str, (p, q, d, s, t, h, v, w, x, m))), 2)


def dpd_to_bcd(dpd: int) -> int:
    """10 bits of densely packed decimal to three BCD digits (Book I appendix B)."""
    p, q, r, s, t, u, v, w, x, y = (dpd >> place & 1 for place in range(9, -1, -1))
    if not v:
        digits = (p << 2 | q << 1 | r, s << 2 | t << 1 | u, w << 2 | x << 1 | y)
    elif not w and not x:
        digits = (p << 2 | q << 1 | r, s << 2 | t << 1 | u, 8 | y)
    elif not w and x:
        digits = (p << 2 | q << 1 | r, 8 | u, s << 2 | t << 1 | y)
    elif w and not x:
        digits = (8 | r, s << 2 | t << 1 | u, p << 2 | q << 1 | y)
    elif (s, t) == (0, 0):
        digits = (8 | r, 8 | u, p << 2 | q << 1 | y)
    elif (s, t) == (0, 1):
        digits = (8 | r, p << 2 | q << 1 | u, 8 | y)
    elif (s, t) == (1, 0):
        digits = (p << 2 | q << 1 | r, 8 | u, 8 | y)
    else:
        digits = (8 | r, 8 | u, 8 | y)
    return digits[0] << 8 | digits[1] << 4 | digits[2]


@semantics("cdtbcd")
def _cdtbcd(m: Machine, i: Instruction) -> None:
    result = 0
    for word in (rs(m, i) >> 32, rs(m, i) & M32):
        result = result << 32 | dpd_to_bcd(word >> 10 & 0x3FF) << 12 | dpd_to_bcd(word & 0x3FF)
    m.gpr[i("RA")] = result


@semantics("cbcdtd")
def _cbcdtd(m: Machine, i: Instruction) -> None:
    result = 0
    for word in (rs(m, i) >> 32, rs(m, i) & M32):
        result = result << 32 | bcd_to_dpd(word >> 12 & 0xFFF) << 10 | bcd_to_dpd(word & 0xFFF)
    m.gpr[i("RA")] = result


@semantics("addg6s")
def _addg6s(m: Machine, i: Instruction) -> None:
    """Put a 6 in each digit whose addition gives no carry, counted from the right."""
    a, b = m.gpr[i("RA")], rb(m, i)
    result = 0
    for digit in range(16):
        low = (1 << 4 * (digit + 1)) - 1
        if (a & low) + (b & low) <= low:
            result |= 6 << 4 * digit
    m.gpr[i("RT")] = result
