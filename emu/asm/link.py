"""The second pass: fills in what the first one left open, and makes the Program."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emu.isa.operands import Kind

from .diagnostics import suggestion
from .encode import BRANCHES, REGISTERS, fit
from .encoding import late_word, value_span
from .expressions import ExpressionError
from .modifiers import HALVES, TOC
from .sections import NOP, Place
from .symbols import WEAK, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .expressions import Code
    from .layout import Layout
    from .source import Line
    from .state import DataFixup, InsnFixup, State

LIS_2, ADDI_2_2, ADDIS, ADDIC = 0x3C400000, 0x38420000, 15, 12
LD_2_12, ADD_2_2_12, D_FIELD = 0xE84C0000, 0x7C426214, 0xFFFC
RT_RA, RA = 0xFFFF0000, 0x001F0000
TOC_POINTER = 2 << 16  # r2 in the place of RA

# Bytes from a function's global to its local entry, by the three bits of st_other.
LOCAL_ENTRY = (0, 0, 4, 8, 16, 32, 64, 0)


class Linker:
    """Resolves fixups at final addresses."""

    def __init__(self, state: State, layout: Layout) -> None:
        self._state = state
        self._layout = layout
        self._descriptors: dict[tuple[int, int], DataFixup] = {}
        self._absolute_toc: set[tuple[int, int]] = set()  # where `lis 2,.TOC.@ha` was put

    def run(self) -> None:
        """Fill everything in; what cannot be is reported to the state."""
        for data_fixup in self._state.data_fixups:
            place = data_fixup.place
            if place.fragment.piece.section.name == ".opd":
                self._descriptors[id(place.fragment), place.offset] = data_fixup
        for data_fixup in self._state.data_fixups:
            self._data(data_fixup)
        for insn_fixup in self._state.insn_fixups:
            self._insn(insn_fixup)
        for place in self._state.entry_marks:
            self._entry_mark(place)

    def _entry_mark(self, place: Place) -> None:
        """A function's `ld 2,X(12)` and `add 2,2,12` become `lis 2` and `addi 2,2`, as by ld."""
        order = self._state.order
        code = bytes(place.fragment.data[place.offset : place.offset + 8])
        first, second = (int.from_bytes(code[at : at + 4], order) for at in (0, 4))
        if first & ~D_FIELD == LD_2_12 and second == ADD_2_2_12:
            toc = self._layout.toc or 0
            first, second = LIS_2 | HALVES["ha"](toc), ADDI_2_2 | HALVES["l"](toc)
            self._patch(place, first.to_bytes(4, order) + second.to_bytes(4, order))

    def value(
        self, code: int | Code, line: Line, span: Callable[[], tuple[int, int]]
    ) -> int | None:
        """The address or number that an expression is; None if that was reported to fail.

        span: column and width of the expression in its line, should they be needed.
        """
        try:
            value = self._layout.evaluate(code)
        except ExpressionError as error:
            if isinstance(code, tuple):
                for leaf in code:
                    if isinstance(leaf, Symbol) and self._is_undefined(leaf):
                        self._report_undefined(leaf, line, *span())
                        return None
            self._state.report(line, *span(), error.message, error.label)
            return None
        if value.base is None:
            return value.number
        assert isinstance(value.base, Symbol)  # all else has an address now
        if value.base.binding == WEAK:
            return value.number
        self._report_undefined(value.base, line, *span())
        return None

    def _is_undefined(self, symbol: Symbol) -> bool:
        return symbol.value is None and symbol.name != ".TOC."

    def _report_undefined(self, symbol: Symbol, line: Line, column: int, width: int) -> None:
        name = symbol.name
        known = [n for n, s in self._state.symbols.items() if s.value is not None]
        text = line.text[column : column + width]
        if name in text:
            column, width = column + text.index(name), len(name)
        label = f"nothing defines {name}"
        if name[0].isdigit():
            label = f"no label {name[:-1]}: below"
        elif name in REGISTERS:
            label = f"{name} is a register, a value must stand here"
        self._state.report(line, column, width, "every symbol must be defined", label,
                           suggestion(name, known))  # fmt: skip

    # -- data

    def _data(self, fixup: DataFixup) -> None:
        def span() -> tuple[int, int]:
            return self._state.span(fixup.statement, fixup.operand.first, fixup.operand.stop)

        value = self.value(fixup.code, fixup.line, span)
        if value is None:
            return
        if fixup.modifier in HALVES:
            value = HALVES[fixup.modifier](value)
        elif fixup.modifier == "tocbase":
            value = self._layout.toc or 0
        elif fixup.modifier in TOC:
            value -= self._layout.toc or 0
            half = TOC[fixup.modifier]
            value = HALVES[half](value) if half else value
        bits = 8 * fixup.size
        if not -(1 << (bits - 1)) <= value < 1 << bits:
            self._state.report(
                fixup.line, *span(), f"{bits} bits must hold the value", f"{value:#x} has more",
            )  # fmt: skip
        self._patch(
            fixup.place, (value & ((1 << bits) - 1)).to_bytes(fixup.size, self._state.order)
        )

    def _patch(self, place: Place, data: bytes) -> None:
        place.fragment.data[place.offset : place.offset + len(data)] = data

    # -- instructions

    def _insn(self, fixup: InsnFixup) -> None:
        state = self._state
        values: list[int] = []
        address = self._layout.locate(fixup.place).number
        for index, (code, modifier) in enumerate(zip(fixup.values, fixup.modifiers, strict=True)):
            slot = fixup.slots.slots[index]
            if isinstance(code, int):
                values.append(code)
                continue
            value = self.value(code, fixup.line, partial(value_span, state, fixup, index))
            if value is None:
                return
            if slot.kind in BRANCHES:
                value = self._entry(code, value)
                if slot.kind is Kind.BRANCH_RELATIVE:
                    value -= address
            elif modifier in HALVES:
                value = fit(slot, HALVES[modifier](value))
            elif modifier in TOC:
                value -= self._layout.toc or 0
                half = TOC[modifier]
                value = fit(slot, HALVES[half](value)) if half else value
            values.append(value)
        word = late_word(state, fixup, values)
        if word is not None:
            self._patch(fixup.place, self._edited(fixup, values, word).to_bytes(4, state.order))

    def _edited(self, fixup: InsnFixup, values: list[int], word: int) -> int:
        """The word after the edits that ld makes in programs at fixed addresses.

        An `addis` of an upper half 0 to the TOC pointer becomes a no-op, and what adds the lower
        half then uses r2. A function's `addis 2,12` and `addi 2,2`, which compute the TOC pointer
        from the function's address, become `lis 2` and `addi 2,2` with the pointer itself. A
        branch to a weak function that is not there becomes a no-op.
        """
        toc = self._layout.toc or 0
        for code, modifier in zip(fixup.values, fixup.modifiers, strict=True):
            if isinstance(code, int):
                continue
            if modifier in ("toc@ha", "toc@l"):
                if -0x8000 <= self._toc_offset(code) < 0x8000:
                    return _near(fixup.mnemonic, word, high=modifier.endswith("ha"))
            elif modifier in ("ha", "l") and _is_toc_difference(code):
                previous = (id(fixup.place.fragment), fixup.place.offset - 4)
                if modifier == "ha" and (fixup.mnemonic, values[:2]) == ("addis", [2, 12]):
                    self._absolute_toc.add((id(fixup.place.fragment), fixup.place.offset))
                    return LIS_2 | HALVES["ha"](toc)
                if previous in self._absolute_toc and word & RT_RA == ADDI_2_2 & RT_RA:
                    return ADDI_2_2 | HALVES["l"](toc)
        if fixup.mnemonic in ("b", "bl") and self._is_absent(fixup.values[0]):
            return NOP
        return word

    def _is_absent(self, code: int | Code) -> bool:
        target = code[0] if isinstance(code, tuple) else None
        return isinstance(target, Symbol) and target.value is None and target.binding == WEAK

    def _toc_offset(self, code: Code) -> int:
        value = self._layout.number_of(code)
        return (value or 0) - (self._layout.toc or 0)

    def _entry(self, code: Code, value: int) -> int:
        """Where a branch to `code` goes: a function's local entry, or a descriptor's code."""
        target = code[0]
        if not isinstance(target, Symbol):
            return value
        if target.other >> 5:
            return value + LOCAL_ENTRY[target.other >> 5]
        if isinstance(target.value, Place) and len(code) == 1:
            place = target.value
            descriptor = self._descriptors.get((id(place.fragment), place.offset))
            if descriptor is not None:
                try:
                    return self._layout.evaluate(descriptor.code).number
                except ExpressionError:
                    return value
        return value


def _near(mnemonic: str, word: int, *, high: bool) -> int:
    """An access relative to the TOC pointer, where the upper half of the distance is 0."""
    opcode = word >> 26
    if high:
        return NOP if opcode == ADDIS and word & RA == TOC_POINTER else word
    if opcode == ADDIC or mnemonic == "li":
        return word
    return word & ~RA | TOC_POINTER


def _is_toc_difference(code: Code) -> bool:
    """Whether an expression is `.TOC. - label`."""
    return (
        len(code) == 3
        and isinstance(code[0], Symbol)
        and code[0].name == ".TOC."
        and code[2] == "-"
    )
