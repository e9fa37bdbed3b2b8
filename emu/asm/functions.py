"""Which stretches of code are functions: what a debugger needs to know to step over a call.

A function is what `.type` says is one, what `.cfi_startproc` begins, what a `bl` goes to, and
`_start`. It ends where `.size` or `.cfi_endproc` says, else where the next one begins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .program import Function
from .sections import SHF_EXECINSTR, Piece, Place
from .symbols import FUNC, LOCAL, Symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .assembler import Assembler
    from .layout import Layout


def functions_of(assembler: Assembler, layout: Layout) -> list[Function]:
    """The functions of an assembled source, in order of address, none within another."""
    found: list[tuple[Function, bool]] = []  # and whether the source says where it ends
    candidates = sorted(
        _candidates(assembler, layout), key=lambda row: (row[0].start, -row[1], -row[0].external)
    )
    for function, told in candidates:
        if found:
            last, last_told = found[-1]
            if function.start == last.start or (last_told and function.start < last.end):
                continue
            if not last_told:
                found[-1] = replace(last, end=min(last.end, function.start)), False
        found.append((function, told))
    return [function for function, _ in found]


def _candidates(assembler: Assembler, layout: Layout) -> Iterator[tuple[Function, bool]]:
    """Functions as far as each symbol alone tells; and whether its end is told."""
    called = {
        id(fixup.values[0][0])
        for fixup in assembler.insn_fixups
        if fixup.mnemonic == "bl" and isinstance(fixup.values[0], tuple)
    }
    frame_ends = {
        frame.start: layout.locate(frame.end).number
        for frame in assembler.call_frames.closed
        if frame.end is not None
    }
    for symbol in assembler.symbols.values():
        place = symbol.value
        if not isinstance(place, Place) or symbol.temporary:
            continue
        piece = place.fragment.piece
        wanted = symbol.type == FUNC or place in frame_ends or id(symbol) in called
        entry = symbol.name == "_start"
        if not piece.section.flags & SHF_EXECINSTR or not (wanted or entry):
            continue
        start = layout.locate(symbol).number
        end, told = _end(symbol, start, piece, frame_ends.get(place), layout)
        if end > start:
            outermost = entry and place not in frame_ends and id(symbol) not in called
            yield Function(symbol.name, start, end, symbol.binding != LOCAL, outermost), told


def _end(
    symbol: Symbol, start: int, piece: Piece, frame_end: int | None, layout: Layout
) -> tuple[int, bool]:
    """One past the end, and whether the source says so."""
    last = (piece.address or 0) + piece.size
    size = layout.number_of(symbol.size) or 0
    if size > 0:
        return min(start + size, last), True
    return (last, False) if frame_end is None else (min(frame_end, last), True)
