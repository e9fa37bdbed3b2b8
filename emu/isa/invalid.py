"""Invalid forms: words that an instruction's opcode admits and its description excludes.

Execution decodes them all the same; assembler and disassembler refuse them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .operands import OPERANDS

if TYPE_CHECKING:
    from collections.abc import Callable

_rt = OPERANDS["RT"].extract
_ra = OPERANDS["RA"].extract
_rb = OPERANDS["RB"].extract
_bo = OPERANDS["BO"].extract
_fxm = OPERANDS["FXM"].extract
_l = OPERANDS["L@9"].extract
_nb = OPERANDS["NB"].extract
_wc = OPERANDS["WC"].extract


def is_reserved_branch_option(bo: int) -> bool:
    """Whether BO is none of the encodings that Power ISA v3.0B Book I 2.4 lists."""
    if bo & 0b10100 == 0b00000:  # counts and tests
        return bo & 1 != 0
    if bo & 0b10100 == 0b00100:  # tests; `at` = 0b01 is reserved
        return bo & 0b00011 == 0b00001
    if bo & 0b10100 == 0b10000:  # counts; likewise
        return bo & 0b01001 == 0b00001
    return bo != 0b10100  # always


INVALID_FORMS: dict[str, Callable[[int], bool]] = {
    "RA=0": lambda word: _ra(word) == 0,
    "RA=RT": lambda word: _ra(word) == _rt(word),
    "RB=RT": lambda word: _rb(word) == _rt(word),
    # lmw and lswi: the base is among the loaded registers, RT to 31 or NB bytes from RT on
    "RA>=RT": lambda word: _ra(word) >= _rt(word),
    "RA in range": lambda word: 4 * ((_ra(word) - _rt(word)) % 32) < _nb(word),
    "RT odd": lambda word: _rt(word) % 2 == 1,
    "FXM not one bit": lambda word: _fxm(word).bit_count() != 1,
    "FXM one bit": lambda word: _fxm(word).bit_count() == 1,
    "BO reserved": lambda word: is_reserved_branch_option(_bo(word)),
    "BO counts": lambda word: _bo(word) & 0b00100 == 0,
    "L=2": lambda word: _l(word) == 2,
    "L=3": lambda word: _l(word) == 3,
    "WC>0": lambda word: _wc(word) > 0,
    "obsolete": lambda _word: True,
}
"""Rule that is broken -> whether a word breaks it. Rows name the rules that they have."""
