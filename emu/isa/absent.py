"""Opcodes of the facilities that this machine leaves out: floating point, vector and VSX.

They are no rows of the instruction table, but hardware looks at the facility before it executes
one: with MSR[FP], MSR[VEC] or MSR[VSX] = 0 such a word interrupts at 0x800, 0xF20 or 0xF40. With
the bit 1 it is an unknown word like any other. Source: Power ISA v3.0B Appendix "Opcode Maps", and
Book III, Facility Unavailable interrupts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Class = Literal["fp", "vector", "vsx"]


@dataclass(frozen=True, slots=True)
class Absent:
    """Words whose bits under `mask` equal `match` belong to a facility that is left out."""

    mask: int
    match: int
    facility: Class


_PRIMARY: Final = 0xFC000000
_VA_FORM: Final = 0xFC00003F
_VX_FORM: Final = 0xFC0007FF
_X_FORM: Final = 0xFC0007FE


def _primary(opcode: int, facility: Class) -> Absent:
    """All words of a primary opcode that no row of the table claims."""
    return Absent(_PRIMARY, opcode << 26, facility)


def _x_form(extended: int, facility: Class) -> Absent:
    """A word of primary opcode 31."""
    return Absent(_X_FORM, (31 << 26) | (extended << 1), facility)


# lfsx lfsux lfdx lfdux stfsx stfsux stfdx stfdux lfdpx stfdpx lfiwax lfiwzx stfiwx
_FP: Final = (535, 567, 599, 631, 663, 695, 727, 759, 791, 919, 855, 887, 983)
# Primary opcode 4 holds more than vectors, and holes. VA-form: bits 26:31. VX-form: by bits 26:31,
# which bits 21:25 are taken; bit n of the number (least significant 0) stands for the value n.
_VA: Final = (*range(32, 48), *range(59, 64))
_VX: Final = {
    0: 0x777F777F, 1: 0xDBFF2303, 2: 0xFD77FFFF, 3: 0xF0070000, 4: 0x3FFFFFFF, 5: 0x000000CC,
    6: 0xFF8FFF8F, 7: 0x887F887F, 8: 0x57BF7777, 9: 0x00300004, 10: 0x0003FFF3, 12: 0x44B37777,
    13: 0x7700FF00, 14: 0x0AAABFFF,
}  # fmt: skip
# lvsl lvebx lvsr lvehx lvewx lvx stvebx stvehx stvewx stvx lvxl stvxl
_VECTOR: Final = (6, 7, 38, 39, 71, 103, 135, 167, 199, 231, 359, 487)
# lxsiwzx lxsiwax stxsiwx lxvx lxvdsx lxvwsx stxvx lxsspx lxsdx stxsspx stxsdx lxvw4x lxvh8x lxvd2x
# lxvb16x stxvw4x stxvh8x stxvd2x stxvb16x lxsibzx lxsihzx stxsibx stxsihx lxvl lxvll stxvl stxvll
# mfvsrd mfvsrwz mtvsrd mtvsrwa mtvsrwz mfvsrld mtvsrdd mtvsrws
_VSX: Final = (
    *(12, 76, 140, 268, 300, 332, 364, 396, 524, 588, 652, 716, 780, 812, 844, 876, 908, 940, 972),
    *(1004, 781, 813, 909, 941, 269, 301, 397, 429, 51, 115, 179, 211, 243, 307, 435, 403),
)

ABSENT: Final = (
    *(_primary(opcode, "fp") for opcode in (*range(48, 56), 59, 63)),
    *(Absent(_VA_FORM, 4 << 26 | low, "vector") for low in _VA),
    *(
        Absent(_VX_FORM, 4 << 26 | high << 6 | low, "vector")
        for low, taken in _VX.items()
        for high in range(32)
        if taken >> high & 1
    ),
    *(_primary(opcode, "vsx") for opcode in (57, 60, 61)),
    *(_x_form(extended, "fp") for extended in _FP),
    *(_x_form(extended, "vector") for extended in _VECTOR),
    *(_x_form(extended, "vsx") for extended in _VSX),
)
