"""Which stretches of code are functions: what a debugger needs to know to step over a call.

A function is what `.type` says is one, what `.cfi_startproc` begins, what a `bl` goes to, and
`_start`. It ends where `.size` or `.cfi_endproc` says, else where the next one begins. What follows
`_start` and is none of these is named by its labels: a loop, or an interrupt's handler.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .program import Function
from .sections import SHF_EXECINSTR, Piece, Place
from .symbols import FUNC, LOCAL, Symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .assembler import Assembler
    from .layout import Layout


class Candidate(NamedTuple):
    """A function as far as its symbol alone tells.

    told: the source says where it ends. label: it is only a label in code.
    """

    function: Function
    told: bool
    label: bool


def functions_of(assembler: Assembler, layout: Layout) -> list[Function]:
    """The functions of an assembled source, in order of address, none within another."""
    found: list[Candidate] = []
    for candidate in sorted(_candidates(assembler, layout), key=_order):
        function = candidate.function
        if found:
            last = found[-1].function
            if function.start == last.start or (found[-1].told and function.start < last.end):
                continue
            if candidate.label and not (last.outermost and function.start < last.end):
                continue
            if not found[-1].told:
                cut = replace(last, end=min(last.end, function.start))
                found[-1] = found[-1]._replace(function=cut)
        elif candidate.label:
            continue
        kept = replace(function, outermost=function.outermost or candidate.label)
        found.append(candidate._replace(function=kept))
    return [candidate.function for candidate in found]


def _order(candidate: Candidate) -> tuple[int, bool, bool, bool]:
    """By address; of several names, the one of which the source says most."""
    function = candidate.function
    return function.start, candidate.label, not candidate.told, not function.external


def _candidates(assembler: Assembler, layout: Layout) -> Iterator[Candidate]:
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
        if not piece.section.flags & SHF_EXECINSTR:
            continue
        proper = symbol.type == FUNC or place in frame_ends or id(symbol) in called
        entry = symbol.name == "_start"
        start = layout.locate(symbol).number
        end, told = _end(symbol, start, piece, frame_ends.get(place), layout)
        if end > start:
            outermost = entry and place not in frame_ends and id(symbol) not in called
            function = Function(symbol.name, start, end, symbol.binding != LOCAL, outermost)
            yield Candidate(function, told, label=not (proper or entry))


def _end(
    symbol: Symbol, start: int, piece: Piece, frame_end: int | None, layout: Layout
) -> tuple[int, bool]:
    """One past the end, and whether the source says so."""
    last = (piece.address or 0) + piece.size
    size = layout.number_of(symbol.size) or 0
    if size > 0:
        return min(start + size, last), True
    return (last, False) if frame_end is None else (min(frame_end, last), True)
