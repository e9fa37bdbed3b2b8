"""Invalid forms: words that an instruction's opcode admits and its description excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .operands import OPERANDS

if TYPE_CHECKING:
    from collections.abc import Callable

_rt = OPERANDS["RT"].extract
_ra = OPERANDS["RA"].extract
_rb = OPERANDS["RB"].extract

INVALID_FORMS: dict[str, Callable[[int], bool]] = {
    "RA=0": lambda word: _ra(word) == 0,
    "RA=RT": lambda word: _ra(word) == _rt(word),
    "RB=RT": lambda word: _rb(word) == _rt(word),
    "RA>=RT": lambda word: _ra(word) >= max(_rt(word), 1),
    "RA in range": lambda word: _in_range(word, _ra(word)),
    "RT odd": lambda word: _rt(word) % 2 == 1,
    "FXM not one bit": lambda word: OPERANDS["FXM"].extract(word).bit_count() != 1,
    "BO counts": lambda word: not OPERANDS["BO"].extract(word) & 0b00100,
    "BO reserved": lambda word: not is_branch_option(OPERANDS["BO"].extract(word)),
    "L=2 or 3": lambda word: OPERANDS["L@9"].extract(word) >= 2,
    "L=2": lambda word: OPERANDS["L@9"].extract(word) == 2,
    "L=3": lambda word: OPERANDS["L@9"].extract(word) == 3,
    "WC>0": lambda word: OPERANDS["WC"].extract(word) > 0,
}
"""Words that an instruction's opcode admits and its description excludes (invalid forms)."""


def _in_range(word: int, register: int) -> bool:
    """Whether lswi would load `register`, which is 0 only if it is not 0 by meaning."""
    nregs = (OPERANDS["NB"].extract(word) + 3) // 4
    return (register - _rt(word)) % 32 < nregs


def is_branch_option(bo: int) -> bool:
    """Whether BO is one of the encodings that are not reserved (Power ISA v3.0B Book I 2.4)."""
    if bo & 0b10100 == 0b10100:
        return bo == 0b10100
    if bo & 0b10100 == 0b00000:
        return bo & 1 == 0
    return bo & 0b11 != 0b01 if not bo & 0b10000 else bo & 0b01001 != 0b00001
