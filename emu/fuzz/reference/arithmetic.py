"""Fixed-point arithmetic, compare, select and trap (Power ISA v3.0B Book I 3.3.9 to 3.3.12)."""

from __future__ import annotations

from emu.isa.bits import sign_extend

from .model import CA, M32, M64, OV, Instruction, Interrupted, Machine, record, semantics


def signed(value: int, nbits: int = 64) -> int:
    """Read the low bits of a register as a two's complement number."""
    return sign_extend(value, nbits)


def immediate(i: Instruction) -> int:
    """EXTS(SI) as a 64-bit value."""
    return signed(i("SI"), 16) & M64


def add_to(
    m: Machine, i: Instruction, a: int, b: int, carry_in: int, *, carries: bool = False
) -> None:
    """RT := a + b + carry_in with everything that an XO-form records."""
    total = (a & M64) + (b & M64) + carry_in
    total32 = (a & M32) + (b & M32) + carry_in
    result = total & M64
    exact = signed(a) + signed(b) + carry_in
    exact32 = signed(a, 32) + signed(b, 32) + carry_in
    if carries:
        ca32 = total32 >> 32
        m.set_carry(total >> 64 if m.sf else ca32, ca32)
    if i.oe:
        ov32 = int(exact32 != signed(result, 32))
        m.set_overflow(int(exact != signed(result)) if m.sf else ov32, ov32)
    m.gpr[i("RT")] = result
    record(m, i, result)


def ra(m: Machine, i: Instruction) -> int:
    """(RA)."""
    return m.gpr[i("RA")]


def ra_or_zero(m: Machine, i: Instruction) -> int:
    """(RA|0)."""
    return m.gpr[i("RA")] if i("RA") else 0


def rb(m: Machine, i: Instruction) -> int:
    """(RB)."""
    return m.gpr[i("RB")]


# ---- add and subtract ----------------------------------------------------------------------


@semantics("addi")
def _addi(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = ra_or_zero(m, i) + immediate(i) & M64


@semantics("addis")
def _addis(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = ra_or_zero(m, i) + (immediate(i) << 16) & M64


@semantics("addpcis")
def _addpcis(m: Machine, i: Instruction) -> None:
    distance = signed(i("d0"), 16) << 16
    m.gpr[i("RT")] = m.cia + 4 + distance & M64


@semantics("add")
def _add(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), rb(m, i), 0)


@semantics("subf")
def _subf(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), rb(m, i), 1)


@semantics("addic")
def _addic(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), immediate(i), 0, carries=True)


@semantics("addic_")
def _addic_record(m: Machine, i: Instruction) -> None:
    _addic(m, i)
    m.set_comparison(0, signed(m.gpr[i("RT")], m.bits), 0)


@semantics("subfic")
def _subfic(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), immediate(i), 1, carries=True)


@semantics("addc")
def _addc(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), rb(m, i), 0, carries=True)


@semantics("subfc")
def _subfc(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), rb(m, i), 1, carries=True)


@semantics("adde")
def _adde(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), rb(m, i), m.xer_bit(CA), carries=True)


@semantics("subfe")
def _subfe(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), rb(m, i), m.xer_bit(CA), carries=True)


@semantics("addme")
def _addme(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), -1, m.xer_bit(CA), carries=True)


@semantics("subfme")
def _subfme(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), -1, m.xer_bit(CA), carries=True)


@semantics("addze")
def _addze(m: Machine, i: Instruction) -> None:
    add_to(m, i, ra(m, i), 0, m.xer_bit(CA), carries=True)


@semantics("subfze")
def _subfze(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), 0, m.xer_bit(CA), carries=True)


@semantics("neg")
def _neg(m: Machine, i: Instruction) -> None:
    add_to(m, i, ~ra(m, i), 0, 1)


@semantics("addex")
def _addex(m: Machine, i: Instruction) -> None:
    """Add with OV as the carry; SO stays as it is."""
    a, b, carry = ra(m, i), rb(m, i), m.xer_bit(OV)
    total = a + b + carry
    ov32 = ((a & M32) + (b & M32) + carry) >> 32
    m.set_xer_bit(OV, total >> 64 if m.sf else ov32)
    m.set_xer_bit(19, ov32)
    m.gpr[i("RT")] = total & M64


# ---- multiply ------------------------------------------------------------------------------


def _finish(m: Machine, i: Instruction, result: int, overflow: bool = False) -> None:
    """RT := result; OV = OV32 = overflow for OE forms; CR0 for Rc forms."""
    if i.oe:
        m.set_overflow(int(overflow), int(overflow))
    m.gpr[i("RT")] = result & M64
    record(m, i, result)


@semantics("mulli")
def _mulli(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = signed(ra(m, i)) * signed(i("SI"), 16) & M64


@semantics("mullw")
def _mullw(m: Machine, i: Instruction) -> None:
    product = signed(ra(m, i), 32) * signed(rb(m, i), 32)
    _finish(m, i, product, product != signed(product, 32))


@semantics("mulhw")
def _mulhw(m: Machine, i: Instruction) -> None:
    high = signed(ra(m, i), 32) * signed(rb(m, i), 32) >> 32 & M32
    _finish(m, i, high << 32 | high)


@semantics("mulhwu")
def _mulhwu(m: Machine, i: Instruction) -> None:
    high = (ra(m, i) & M32) * (rb(m, i) & M32) >> 32
    _finish(m, i, high << 32 | high)


@semantics("mulld")
def _mulld(m: Machine, i: Instruction) -> None:
    product = signed(ra(m, i)) * signed(rb(m, i))
    _finish(m, i, product, product != signed(product))


@semantics("mulhd")
def _mulhd(m: Machine, i: Instruction) -> None:
    _finish(m, i, signed(ra(m, i)) * signed(rb(m, i)) >> 64)


@semantics("mulhdu")
def _mulhdu(m: Machine, i: Instruction) -> None:
    _finish(m, i, ra(m, i) * rb(m, i) >> 64)


@semantics("maddhd")
def _maddhd(m: Machine, i: Instruction) -> None:
    total = signed(ra(m, i)) * signed(rb(m, i)) + signed(m.gpr[i("RC")])
    m.gpr[i("RT")] = total >> 64 & M64


@semantics("maddhdu")
def _maddhdu(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = ra(m, i) * rb(m, i) + m.gpr[i("RC")] >> 64 & M64


@semantics("maddld")
def _maddld(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = ra(m, i) * rb(m, i) + m.gpr[i("RC")] & M64


# ---- divide --------------------------------------------------------------------------------


def quotient(dividend: int, divisor: int) -> int:
    """Divide and truncate towards 0; divisor is not 0."""
    magnitude = abs(dividend) // abs(divisor)
    return magnitude if (dividend < 0) == (divisor < 0) else -magnitude


def _divide(m: Machine, i: Instruction, dividend: int, divisor: int, *, lo: int, hi: int) -> None:
    """RT := the quotient if it lies in lo..hi, else 0, and that is an overflow."""
    result = quotient(dividend, divisor) if divisor else hi + 1
    overflow = not lo <= result <= hi
    width_mask = M32 if hi <= M32 else M64
    _finish(m, i, 0 if overflow else result & width_mask, overflow)


S32 = {"lo": -(1 << 31), "hi": (1 << 31) - 1}
S64 = {"lo": -(1 << 63), "hi": (1 << 63) - 1}


@semantics("divw")
def _divw(m: Machine, i: Instruction) -> None:
    _divide(m, i, signed(ra(m, i), 32), signed(rb(m, i), 32), **S32)


@semantics("divwu")
def _divwu(m: Machine, i: Instruction) -> None:
    _divide(m, i, ra(m, i) & M32, rb(m, i) & M32, lo=0, hi=M32)


@semantics("divwe")
def _divwe(m: Machine, i: Instruction) -> None:
    _divide(m, i, signed(ra(m, i), 32) << 32, signed(rb(m, i), 32), **S32)


@semantics("divweu")
def _divweu(m: Machine, i: Instruction) -> None:
    _divide(m, i, (ra(m, i) & M32) << 32, rb(m, i) & M32, lo=0, hi=M32)


@semantics("divd")
def _divd(m: Machine, i: Instruction) -> None:
    _divide(m, i, signed(ra(m, i)), signed(rb(m, i)), **S64)


@semantics("divdu")
def _divdu(m: Machine, i: Instruction) -> None:
    _divide(m, i, ra(m, i), rb(m, i), lo=0, hi=M64)


@semantics("divde")
def _divde(m: Machine, i: Instruction) -> None:
    _divide(m, i, signed(ra(m, i)) << 64, signed(rb(m, i)), **S64)


@semantics("divdeu")
def _divdeu(m: Machine, i: Instruction) -> None:
    _divide(m, i, ra(m, i) << 64, rb(m, i), lo=0, hi=M64)


def _remainder(dividend: int, divisor: int) -> int:
    """Remainder with the sign of the dividend; 0 if the divisor is 0."""
    return dividend - quotient(dividend, divisor) * divisor if divisor else 0


@semantics("modsw")
def _modsw(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = _remainder(signed(ra(m, i), 32), signed(rb(m, i), 32)) & M64


@semantics("moduw")
def _moduw(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = _remainder(ra(m, i) & M32, rb(m, i) & M32)


@semantics("modsd")
def _modsd(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = _remainder(signed(ra(m, i)), signed(rb(m, i))) & M64


@semantics("modud")
def _modud(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = _remainder(ra(m, i), rb(m, i))


# ---- compare -------------------------------------------------------------------------------


def _width(i: Instruction) -> int:
    return 64 if i("L") else 32


@semantics("cmpi")
def _cmpi(m: Machine, i: Instruction) -> None:
    m.set_comparison(i("BF"), signed(ra(m, i), _width(i)), signed(i("SI"), 16))


@semantics("cmp")
def _cmp(m: Machine, i: Instruction) -> None:
    width = _width(i)
    m.set_comparison(i("BF"), signed(ra(m, i), width), signed(rb(m, i), width))


@semantics("cmpli")
def _cmpli(m: Machine, i: Instruction) -> None:
    m.set_comparison(i("BF"), ra(m, i) & ((1 << _width(i)) - 1), i("UI"))


@semantics("cmpl")
def _cmpl(m: Machine, i: Instruction) -> None:
    width_mask = (1 << _width(i)) - 1
    m.set_comparison(i("BF"), ra(m, i) & width_mask, rb(m, i) & width_mask)


@semantics("cmprb")
def _cmprb(m: Machine, i: Instruction) -> None:
    value = ra(m, i) & 0xFF
    hi2, lo2, hi1, lo1 = (rb(m, i) & M32).to_bytes(4, "big")
    inside = lo1 <= value <= hi1 or (i("L") == 1 and lo2 <= value <= hi2)
    m.set_cr_field(i("BF"), 4 if inside else 0)


@semantics("cmpeqb")
def _cmpeqb(m: Machine, i: Instruction) -> None:
    found = ra(m, i) & 0xFF in rb(m, i).to_bytes(8, "big")
    m.set_cr_field(i("BF"), 4 if found else 0)


@semantics("setb")
def _setb(m: Machine, i: Instruction) -> None:
    bits = m.cr_field(i("BFA"))
    m.gpr[i("RT")] = M64 if bits & 8 else 1 if bits & 4 else 0


@semantics("isel")
def _isel(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = ra_or_zero(m, i) if m.cr_bit(i("BC")) else rb(m, i)


# ---- trap ----------------------------------------------------------------------------------


def _trap(i: Instruction, a: int, b: int, width: int) -> None:
    to = i("TO")
    low = (1 << width) - 1
    hits = (
        (to & 16 and signed(a, width) < signed(b, width))
        or (to & 8 and signed(a, width) > signed(b, width))
        or (to & 4 and a & low == b & low)
        or (to & 2 and a & low < b & low)
        or (to & 1 and a & low > b & low)
    )
    if hits:
        raise Interrupted("program", "trap")


@semantics("tw")
def _tw(m: Machine, i: Instruction) -> None:
    _trap(i, ra(m, i), rb(m, i), 32)


@semantics("twi")
def _twi(m: Machine, i: Instruction) -> None:
    _trap(i, ra(m, i), immediate(i), 32)


@semantics("td")
def _td(m: Machine, i: Instruction) -> None:
    _trap(i, ra(m, i), rb(m, i), 64)


@semantics("tdi")
def _tdi(m: Machine, i: Instruction) -> None:
    _trap(i, ra(m, i), immediate(i), 64)
