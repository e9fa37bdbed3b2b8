"""Between the passes: sizes that depended on later lines, and addresses.

Where sections go: `.text` at the text base (0x10000), pieces that `.org` placed where it said, and
after `.text` the other code, the read-only data, the data and the holes (.bss), each kind from a
multiple of 4 KiB on, in order of first mention. The core keeps what it knows of code by pages of
that size, so that stores to data never disturb it. Sections that are not loaded begin at 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .call_frames import MAX_ADVANCE, advance
from .expressions import ExpressionError, Value, evaluate
from .leb128 import leb128
from .sections import SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, Piece, Place, Section
from .state import MAX_BYTES, MAX_HOLE
from .symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .expressions import Code
    from .sections import Fragment, Tail
    from .state import State

PAGE = 4096
MAX_ROUNDS = 30
TOC_SECTIONS = (".got", ".toc")
TOC_BIAS = 0x8000
TOC_ALIGN = 256


class Layout:
    """Addresses of everything, once run() is through; locate() answers for expressions."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.toc: int | None = None
        for section in state.sections.values():
            for piece in section.pieces:
                _start_fragments(piece)

    def run(self) -> None:
        """Find sizes and addresses. What goes wrong is reported to the state."""
        for round_ in range(MAX_ROUNDS):
            self._place()
            if not self._resize(last=round_ == MAX_ROUNDS - 1):
                break
        for section in self._state.sections.values():
            for piece in section.pieces:
                self._check_tails(piece)
        self._check_overlap()
        self._check_symbols()

    # -- addresses

    def _place(self) -> None:
        state = self._state
        sections = list(state.sections.values())
        if state.relocatable:
            for section in sections:
                section.pieces[0].address = 0
            self.toc = TOC_BIAS
            return
        fixed = sorted(
            (piece.address or 0, (piece.address or 0) + piece.size)
            for section in sections
            if section.allocated
            for piece in section.pieces
            if piece.fixed and piece.size
        )
        cursor = state.text_base
        for group in _groups(sections):
            first = True
            for section in group:
                for piece in section.pieces:
                    if piece.fixed:
                        if piece is section.pieces[0] and section.name == ".text":
                            cursor = max(cursor, (piece.address or 0) + piece.size)
                        continue
                    align = section.align
                    if first and piece.size:
                        align = max(align, PAGE) if cursor != state.text_base else align
                        first = False
                    cursor = piece.address = _fit(cursor, align, piece.size, fixed)
                    cursor += piece.size
        for section in sections:
            if not section.allocated:
                section.pieces[0].address = 0
        self.toc = self._toc_start(sections, cursor) + TOC_BIAS

    @staticmethod
    def _toc_start(sections: list[Section], end: int) -> int:
        """Where the TOC begins, as ld has it: the `.got`, the `.toc`, else the first data."""
        loaded = [s for s in sections if s.allocated and s.pieces[0].size]
        tables = [s for s in loaded if s.name in TOC_SECTIONS]
        data = [s for s in loaded if s.flags & SHF_WRITE]
        addresses = [s.pieces[0].address or 0 for s in tables or data or loaded]
        return (min(addresses) if addresses else end) // TOC_ALIGN * TOC_ALIGN

    # -- sizes

    def _resize(self, *, last: bool) -> bool:
        """Give every tail its size for the present addresses; whether one changed."""
        changed = False
        for section in self._state.sections.values():
            for piece in section.pieces:
                if len(piece.fragments) == 1:
                    continue
                for fragment in piece.fragments:
                    if fragment.tail is None:
                        continue
                    size = self._tail_size(fragment, fragment.tail, report=last)
                    if size != fragment.tail.size:
                        fragment.tail.size = size
                        changed = True
                _start_fragments(piece)
        if changed and last:
            self._complain_unstable()
        return changed

    def _complain_unstable(self) -> None:
        for section in self._state.sections.values():
            for piece in section.pieces:
                for fragment in piece.fragments:
                    tail = fragment.tail
                    if tail is not None and tail.kind != "align":
                        self._state.report(
                            tail.line, tail.column, tail.width,
                            "a size must not depend on itself", "it changes whenever it is applied",
                        )  # fmt: skip
                        return

    def _tail_size(self, fragment: Fragment, tail: Tail, *, report: bool) -> int:
        here = (fragment.piece.address or 0) + (fragment.start or 0) + fragment.size
        if tail.kind == "align":
            size = -here % tail.amount
            return 0 if tail.limit and size > tail.limit else size
        try:
            value = self.evaluate(tail.code)
        except ExpressionError:
            return tail.size
        if tail.kind in ("uleb", "sleb"):
            tail.fill = leb128(value.number, signed=tail.kind == "sleb")
            return len(tail.fill)
        if tail.kind == "advance":
            tail.fill = advance(value.number, self._state.order)
            return len(tail.fill)
        size = value.number if tail.kind == "space" else value.number - here
        return min(max(size, 0), MAX_HOLE)

    def _check_tails(self, piece: Piece) -> None:
        state = self._state
        for fragment in piece.fragments:
            tail = fragment.tail
            if tail is None:
                continue
            if tail.kind == "align":
                continue
            try:
                value = self.evaluate(tail.code)
            except ExpressionError as error:
                state.report(tail.line, tail.column, tail.width, error.message, error.label)
                continue
            if tail.kind == "advance" and not 0 <= value.number < MAX_ADVANCE:
                state.report(
                    tail.line, tail.column, tail.width,
                    "between .cfi_startproc and .cfi_endproc code goes on by less than 16 GiB",
                    f"{value.number} bytes",
                )  # fmt: skip
            here = (piece.address or 0) + (fragment.start or 0) + fragment.size
            size = value.number - (here if tail.kind == "org" else 0)
            if tail.kind in ("space", "org"):
                if size < 0:
                    message = (
                        "within a section .org moves forward only"
                        if tail.kind == "org"
                        else "the size must not be negative"
                    )
                    state.report(tail.line, tail.column, tail.width, message, f"{size} bytes")
                limit = MAX_HOLE if piece.section.type == SHT_NOBITS else state.bytes_left
                if size > limit:
                    state.report(
                        tail.line, tail.column, tail.width,
                        f"a program has at most {MAX_BYTES} bytes with contents", f"{size} more",
                    )  # fmt: skip
                    tail.size = 0
                elif piece.section.type != SHT_NOBITS:
                    state.bytes_left -= max(size, 0)

    def _check_overlap(self) -> None:
        """Report pieces that share addresses."""
        if self._state.relocatable:
            return
        pieces = sorted(
            (
                piece
                for section in self._state.sections.values()
                if section.allocated
                for piece in section.pieces
                if piece.size
            ),
            key=lambda piece: (piece.address or 0, piece.section.index),
        )
        for before, after in pairwise(pieces):
            end = (before.address or 0) + before.size
            if end > (after.address or 0):
                line = after.line or before.line
                if line is None:
                    continue
                text = line.text.strip()
                self._state.report(
                    line, line.text.find(text), len(text) or 1,
                    "two parts of the program must not overlap",
                    f"{before.section.name} at {before.address:#x} ends at {end:#x}, "
                    f"{after.section.name} begins at {after.address:#x}",
                )  # fmt: skip

    def _check_symbols(self) -> None:
        """Report symbols that were set to what has no value, whether they are used or not."""
        for symbol in self._state.symbols.values():
            value, line = symbol.value, symbol.defined
            if value is None or line is None or isinstance(value, int | Place):
                continue
            column = max(line.text.find(symbol.name), 0)
            try:
                base = self.locate(symbol).base
            except ExpressionError as error:
                message, label = error.message, error.label
            else:
                if not isinstance(base, Symbol):
                    continue
                message = "every symbol must be defined"
                label = f"it is set to {base.name}, which nothing defines"
            self._state.report(line, column, len(symbol.name), message, label)

    # -- values

    def evaluate(self, code: int | Code) -> Value:
        """The value of a bound expression. Raises ExpressionError."""
        if isinstance(code, int):
            return Value(None, code)
        if len(code) == 1 and not isinstance(code[0], int | str):
            return self.locate(code[0])
        return evaluate(code, self.locate)

    def number(self, symbol: Symbol) -> int | None:
        """A symbol's address or number; None if it has none."""
        try:
            return self.locate(symbol).number
        except ExpressionError:
            return None

    def number_of(self, code: int | Code) -> int | None:
        """The value of an expression; None if it has none."""
        try:
            return self.evaluate(code).number
        except ExpressionError:
            return None

    def locate(self, leaf: Place | Symbol) -> Value:
        """Where a place or symbol is: an address, or in relocatable output a section's offset."""
        if isinstance(leaf, Symbol):
            value = leaf.value
            if isinstance(value, int):
                return Value(None, value)
            if value is None:
                if leaf.name == ".TOC." and self.toc is not None and not self._state.relocatable:
                    return Value(None, self.toc)
                return Value(leaf, 0)
            if not isinstance(value, Place):
                with self._state.visiting(leaf):
                    return evaluate(value, self.locate)
            leaf = value
        fragment = leaf.fragment
        piece = fragment.piece
        inside = leaf.offset if fragment.moved is None else fragment.moved(leaf.offset)
        offset = (fragment.start or 0) + inside
        if self._state.relocatable:
            return Value(piece.section, offset)
        return Value(None, (piece.address or 0) + offset)


def _groups(sections: Iterable[Section]) -> list[list[Section]]:
    """Loaded sections by kind: `.text`, other code, read-only, data (TOC first), holes."""
    groups: list[list[Section]] = [[], [], [], []]
    for section in sections:
        if not section.allocated:
            continue
        if section.flags & SHF_EXECINSTR:
            kind = 0
        elif section.type == SHT_NOBITS:
            kind = 3
        else:
            kind = 2 if section.flags & SHF_WRITE else 1
        groups[kind].append(section)
    groups[0].sort(key=lambda section: section.name != ".text")
    order = {name: index for index, name in enumerate(TOC_SECTIONS)}
    groups[2].sort(key=lambda section: order.get(section.name, len(order)))
    return groups


def _start_fragments(piece: Piece) -> None:
    start = 0
    for fragment in piece.fragments:
        fragment.start = start
        start += fragment.size + (fragment.tail.size if fragment.tail else 0)


def _fit(cursor: int, align: int, size: int, fixed: list[tuple[int, int]]) -> int:
    """The first aligned address from `cursor` on where `size` bytes meet no fixed piece."""
    address = _aligned(cursor, align)
    for start, stop in fixed:
        if size and start < address + size and address < stop:
            address = _aligned(stop, align)
    return address


def _aligned(address: int, align: int) -> int:
    return -(-address // align) * align
