"""Moves between GPRs, CR and SPRs that a user program can name (Power ISA v3.0B Book I 3.3.17)."""

from __future__ import annotations

from .model import CA, CA32, M64, OV, OV32, Instruction, Machine, semantics

# What the register XER keeps of a write.
XER_KEEPS = 0xE00FFFFF


def _spr(i: Instruction) -> int:
    return i("SPR")


@semantics("mfspr")
def _mfspr(m: Machine, i: Instruction) -> None:
    values = {1: m.xer, 8: m.lr, 9: m.ctr, 256: m.vrsave, 815: m.tar}
    m.gpr[i("RT")] = values[_spr(i)]


@semantics("mtspr")
def _mtspr(m: Machine, i: Instruction) -> None:
    value = m.gpr[i("RS")]
    match _spr(i):
        case 1:
            m.xer = value & XER_KEEPS
        case 8:
            m.lr = value
        case 9:
            m.ctr = value
        case 256:
            m.vrsave = value & 0xFFFFFFFF
        case 815:
            m.tar = value
        case number:
            raise KeyError(number)


@semantics("mfcr")
def _mfcr(m: Machine, i: Instruction) -> None:
    m.gpr[i("RT")] = m.cr


@semantics("mtcrf")
def _mtcrf(m: Machine, i: Instruction) -> None:
    for number in range(8):
        if i("FXM") >> (7 - number) & 1:
            m.set_cr_field(number, m.gpr[i("RS")] >> 4 * (7 - number) & 0xF)


def _one_field(i: Instruction) -> int:
    """Which field mtocrf and mfocrf mean: the leftmost of FXM's bits, 7 if there is none."""
    return 8 - i("FXM").bit_length() if i("FXM") else 7


@semantics("mtocrf")
def _mtocrf(m: Machine, i: Instruction) -> None:
    number = _one_field(i)
    m.set_cr_field(number, m.gpr[i("RS")] >> 4 * (7 - number) & 0xF)


@semantics("mfocrf")
def _mfocrf(m: Machine, i: Instruction) -> None:
    number = _one_field(i)
    m.gpr[i("RT")] = m.cr_field(number) << 4 * (7 - number) & M64


@semantics("mcrxrx")
def _mcrxrx(m: Machine, i: Instruction) -> None:
    bits = [m.xer_bit(place) for place in (OV, OV32, CA, CA32)]
    m.set_cr_field(i("BF"), bits[0] << 3 | bits[1] << 2 | bits[2] << 1 | bits[3])
