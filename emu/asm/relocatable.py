"""Relocatable objects: what is left open becomes relocations, and ld does the rest.

Sections begin at 0 and keep every entry of `.toc`; `.org` counts from the section's beginning.
Source: 64-bit ELF V2 ABI for Power, 3.5 Relocation Types.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from emu.isa.operands import Kind

from .dwarf import line_table
from .elf_writer import (
    ET_REL,
    SHN_ABS,
    SHN_COMMON,
    SHT_STRTAB,
    SHT_SYMTAB,
    STT_FILE,
    SYM,
    Header,
    Strings,
    layout_file,
)
from .encode import BRANCHES, fit
from .encoding import late_word, value_span
from .expressions import ExpressionError, Value
from .modifiers import HALVES
from .program import SourceLine
from .sections import SHF_EXECINSTR, SHF_GROUP, SHT_NOBITS, Section
from .symbols import GLOBAL, LOCAL, SECTION, WEAK, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .assembler import Assembler
    from .expressions import Code
    from .layout import Layout
    from .program import Endian
    from .source import Line
    from .state import DataFixup, InsnFixup

SHT_RELA, RELA = 4, 24
SHF_INFO_LINK = 64

# Relocation numbers: of data by size, absolute and relative to the place.
ABSOLUTE = {8: 38, 4: 1, 2: 3}
RELATIVE = {8: 44, 4: 26, 2: 249}
TOC_BASE = 51  # the TOC pointer itself, in a doubleword
# Of 16-bit fields by modifier: the number, and that of the form without the two lowest bits.
HALF = {
    "": (3, 56), "l": (4, 57), "h": (5, 0), "ha": (6, 0), "high": (110, 0), "higha": (111, 0),
    "higher": (39, 0), "highera": (40, 0), "highest": (41, 0), "highesta": (42, 0),
    "toc": (47, 63), "toc@l": (48, 64), "toc@h": (49, 0), "toc@ha": (50, 0),
    "got": (14, 58), "got@l": (15, 59), "got@h": (16, 0), "got@ha": (17, 0),
}  # fmt: skip
RELATIVE_HALF = {"": 249, "l": 250, "h": 251, "ha": 252}
# Of branches: the field's width, relative and absolute.
BRANCH = {24: (10, 2), 14: (11, 7)}
BRANCH_WITHOUT_TOC = 116
ENTRY = 118  # marks where a function loads its distance from the TOC pointer


class Relocation(NamedTuple):
    """One relocation. target: a symbol, a section (its symbol), or nothing."""

    section: Section
    offset: int
    type: int
    target: Symbol | Section | None
    addend: int


class Target(NamedTuple):
    """What a relocatable expression is: an address, or its distance from a place."""

    base: Symbol | Section
    addend: int
    minus: int | None = None  # offset, in the fixup's section, that is subtracted


@dataclass(slots=True)
class Relocator:
    """Turns fixups into bytes and relocations."""

    state: Assembler
    layout: Layout
    relocations: list[Relocation]

    def run(self) -> None:
        """Go through all fixups; what no relocation can say is reported to the state."""
        for data_fixup in self.state.data_fixups:
            self._data(data_fixup)
        for insn_fixup in self.state.insn_fixups:
            self._insn(insn_fixup)
        for place in self.state.entry_marks:
            section = place.fragment.piece.section
            offset = (place.fragment.start or 0) + place.offset
            self._add(section, offset, ENTRY, None, 0)

    # -- values

    def _value(
        self, code: int | Code, section: Section, line: Line, span: Callable[[], tuple[int, int]]
    ) -> int | Target | None:
        """A number, or what must be relocated; None if that was reported to be neither."""
        if isinstance(code, int):
            return code
        try:
            value = self.layout.evaluate(code)
        except ExpressionError as error:
            target = self._difference(code, section)
            if target is None:
                self.state.report(
                    line, *span(), error.message, error.label or "no relocation can say this"
                )
            return target
        if value.base is None:
            return value.number
        assert isinstance(value.base, Symbol | Section)  # what locate() answers with
        return self._target(code, value)

    def _target(self, code: Code, value: Value) -> Target:
        """A symbol that the linker may replace stays one; the others become section offsets."""
        symbol = next((leaf for leaf in code if isinstance(leaf, Symbol)), None)
        if symbol is not None and symbol.value is not None and _is_visible(symbol):
            start = self.layout.locate(symbol)
            if start.base is value.base:
                return Target(symbol, value.number - start.number)
        assert isinstance(value.base, Symbol | Section)
        return Target(value.base, value.number)

    def _difference(self, code: Code, section: Section) -> Target | None:
        """`symbol - place` with the place in the fixup's own section."""
        if code[-1] != "-":
            return None
        for split in range(1, len(code) - 1):
            left, right = code[:split], code[split:-1]
            try:
                first, second = self.layout.evaluate(left), self.layout.evaluate(right)
            except (ExpressionError, IndexError):
                continue
            if second.base is section and first.base is not None:
                target = self._target(left, first)
                return Target(target.base, target.addend, second.number)
        return None

    # -- data

    def _data(self, fixup: DataFixup) -> None:
        fragment = fixup.place.fragment
        section = fragment.piece.section
        offset = (fragment.start or 0) + fixup.place.offset

        def span() -> tuple[int, int]:
            return self.state.span(fixup.statement, fixup.operand.first, fixup.operand.stop)

        if fixup.modifier == "tocbase":
            toc = self.state.symbol(".TOC.")
            self._add(section, offset, TOC_BASE, toc, 0)
            return
        value = self._value(fixup.code, section, fixup.line, span)
        if value is None:
            return
        if isinstance(value, int):
            if fixup.modifier:
                value = HALVES[fixup.modifier](value) if fixup.modifier in HALVES else value
            mask = (1 << 8 * fixup.size) - 1
            data = (value & mask).to_bytes(fixup.size, self.state.order)
            fragment.data[fixup.place.offset : fixup.place.offset + fixup.size] = data
            return
        if value.minus is not None:
            kind = RELATIVE.get(fixup.size, 0)
            value = Target(value.base, value.addend + offset - value.minus)
        else:
            kind = ABSOLUTE.get(fixup.size, 0)
        if fixup.modifier:
            kind = HALF.get(fixup.modifier, (0, 0))[0] if fixup.size == 2 else 0
        if not kind:
            self.state.report(
                fixup.line, *span(), f"no relocation fills {fixup.size} bytes in this way",
                "an address that ld decides",
            )  # fmt: skip
            return
        self._add(section, offset, kind, value.base, value.addend)

    def _add(
        self,
        section: Section,
        offset: int,
        kind: int,
        target: Symbol | Section | None,
        addend: int,
    ) -> None:
        self.relocations.append(Relocation(section, offset, kind, target, addend))

    # -- instructions

    def _insn(self, fixup: InsnFixup) -> None:
        fragment = fixup.place.fragment
        section = fragment.piece.section
        offset = (fragment.start or 0) + fixup.place.offset
        values: list[int] = []
        for index, (code, modifier) in enumerate(zip(fixup.values, fixup.modifiers, strict=True)):
            slot = fixup.slots.slots[index]
            span = partial(value_span, self.state, fixup, index)
            value = self._value(code, section, fixup.line, span)
            if value is None:
                return
            if isinstance(value, int):
                if isinstance(code, tuple) and modifier in HALVES:
                    value = fit(slot, HALVES[modifier](value))
                values.append(value)
                continue
            if slot.kind in BRANCHES:
                distance = self._near(value, section, offset, slot.kind)
                if distance is not None:
                    values.append(distance)
                    continue
                relative, absolute = BRANCH.get(slot.nbits, (0, 0))
                kind = relative if slot.kind is Kind.BRANCH_RELATIVE else absolute
                if modifier == "notoc" and kind == BRANCH[24][0]:
                    kind = BRANCH_WITHOUT_TOC
                place = offset
            else:
                kind = self._half(slot.multiple, modifier, relative=value.minus is not None)
                if slot.nbits * slot.multiple not in (16, 14 * 4):
                    kind = 0
                place = offset + 2 * self.state.big
                if value.minus is not None:
                    value = Target(value.base, value.addend + place - value.minus)
            if not kind:
                self.state.report(
                    fixup.line, *span(),
                    f"no relocation fills {slot.name} in this way", "an address that ld decides",
                )  # fmt: skip
                return
            self._add(section, place, kind, value.base, value.addend)
            values.append(0)
        self._encode(fixup, values)

    @staticmethod
    def _half(multiple: int, modifier: str, *, relative: bool) -> int:
        if relative:
            return RELATIVE_HALF.get(modifier, 0)
        plain, by_words = HALF.get(modifier, (0, 0))
        return by_words if multiple == 4 else plain

    @staticmethod
    def _near(target: Target, section: Section, offset: int, kind: Kind) -> int | None:
        """The distance of a branch within its section to what no other object can replace."""
        if kind is Kind.BRANCH_RELATIVE and target.base is section and target.minus is None:
            return target.addend - offset
        return None

    def _encode(self, fixup: InsnFixup, values: list[int]) -> None:
        word = late_word(self.state, fixup, values)
        if word is not None:
            at = fixup.place.offset
            fixup.place.fragment.data[at : at + 4] = word.to_bytes(4, self.state.order)


def _is_visible(symbol: Symbol) -> bool:
    """Whether other objects see a symbol, so that the linker must be told its name."""
    return symbol.binding in (GLOBAL, WEAK) or bool(symbol.other >> 5)


class Object:
    """An object file in the making."""

    def __init__(self, assembler: Assembler, layout: Layout, filename: str) -> None:
        self._assembler = assembler
        self._layout = layout
        self._filename = filename
        self._order = ">" if assembler.big else "<"
        self._strings = Strings()
        self._sections = sorted(assembler.sections.values(), key=_object_order)
        self._index = {id(s): number for number, s in enumerate(self._sections, 1)}
        self._symbols: list[bytes] = [bytes(SYM)]
        self._number: dict[int, int] = {}  # of the symbol table entry, by symbol or section

    def write(self, relocations: list[Relocation], lines: list[SourceLine]) -> bytes:
        """The file's bytes."""
        headers = [self._header(section) for section in self._sections]
        relocations = [*relocations, *self._debug_lines(headers, lines)]
        local_count = self._symbol_table(relocations)
        by_section: dict[int, list[Relocation]] = {}
        for relocation in relocations:
            by_section.setdefault(self._index[id(relocation.section)], []).append(relocation)
        symtab = len(headers) + len(by_section) + 1
        for number, found in sorted(by_section.items()):
            data = b"".join(self._rela(r) for r in sorted(found, key=lambda r: r.offset))
            headers.append(
                Header(
                    ".rela" + headers[number - 1].name, SHT_RELA, flags=SHF_INFO_LINK, data=data,
                    size=len(data), link=symtab, info=number, align=8, entsize=RELA,
                )
            )  # fmt: skip
        table, strings = b"".join(self._symbols), bytes(self._strings.data)
        headers.append(
            Header(
                ".symtab", SHT_SYMTAB, data=table, size=len(table), link=symtab + 1,
                info=local_count, align=8, entsize=SYM,
            )
        )  # fmt: skip
        headers.append(Header(".strtab", SHT_STRTAB, data=strings, size=len(strings)))
        endian: Endian = "big" if self._assembler.big else "little"
        return layout_file(headers, [], endian, ET_REL, 0, self._flags())

    def _flags(self) -> int:
        """e_flags: the ABI version, where anything in the source says it."""
        if self._assembler.abi_version is not None:
            return self._assembler.abi_version
        return 1 if ".opd" in self._assembler.sections else 0

    @staticmethod
    def _header(section: Section) -> Header:
        piece = section.pieces[0]
        nobits = section.type == SHT_NOBITS
        return Header(
            section.name, section.type, section.flags & 0xFFFFFFFF & ~SHF_GROUP,
            data=b"" if nobits else piece.contents(), size=piece.size, align=section.align,
            entsize=section.entsize,
        )  # fmt: skip

    def _debug_lines(self, headers: list[Header], lines: list[SourceLine]) -> Iterator[Relocation]:
        """Fill the `.debug_line` that a compiler leaves empty; its addresses are relocated."""
        section = self._assembler.sections.get(".debug_line")
        if section is None or section.pieces[0].size or not self._assembler.files:
            return
        endian: Endian = "big" if self._assembler.big else "little"
        places: list[tuple[int, int]] = []
        data = line_table(lines, endian, self._assembler.files, places=places)
        header = headers[self._index[id(section)] - 1]
        header.data, header.size = data, len(data)
        for offset, address in places:
            code = self._sections[(address >> SECTION_SHIFT) - 1]
            yield Relocation(section, offset, ABSOLUTE[8], code, address & SECTION_OFFSET)

    def _symbol_table(self, relocations: list[Relocation]) -> int:
        """Make the entries; answers how many are local, which come first."""
        name = self._assembler.source_name or self._filename
        self._symbols.append(self._entry(name, STT_FILE, 0, SHN_ABS, 0, 0))
        for section in self._sections:
            self._number[id(section)] = len(self._symbols)
            self._symbols.append(self._entry("", SECTION, 0, self._index[id(section)], 0, 0))
        symbols = dict.fromkeys(
            r.target for r in relocations if isinstance(r.target, Symbol)
        )  # every one that is needed, and the program's own
        symbols.update(dict.fromkeys(self._assembler.symbols.values()))
        needed = {id(r.target) for r in relocations}
        for local in (True, False):
            if not local:
                local_count = len(self._symbols)
            for symbol in symbols:
                undefined = symbol.value is None and symbol.common is None
                binding = symbol.binding
                if (undefined or symbol.common) and binding == LOCAL:
                    binding = GLOBAL
                wanted = id(symbol) in needed or not (symbol.temporary or undefined)
                wanted = wanted or (undefined and symbol.declared and not symbol.temporary)
                if (binding == LOCAL) == local and wanted:
                    self._number[id(symbol)] = len(self._symbols)
                    self._symbols.append(self._symbol(symbol, binding))
        return local_count

    def _symbol(self, symbol: Symbol, binding: int) -> bytes:
        index, value = 0, 0
        size = self._layout.number_of(symbol.size) or 0
        if symbol.common is not None:
            (size, value), index = symbol.common, SHN_COMMON
        elif symbol.value is not None:
            place = self._layout.locate(symbol)
            value, index = place.number, SHN_ABS
            if isinstance(place.base, Section):
                index = self._index[id(place.base)]
        info = binding << 4 | symbol.type
        return self._entry(symbol.name, info, symbol.other, index, value, size)

    def _entry(self, name: str, info: int, other: int, index: int, value: int, size: int) -> bytes:
        return struct.pack(
            self._order + "IBBHQQ", self._strings.add(name), info, other, index,
            value & (1 << 64) - 1, size & (1 << 64) - 1,
        )  # fmt: skip

    def _rela(self, relocation: Relocation) -> bytes:
        number = 0 if relocation.target is None else self._number[id(relocation.target)]
        info = number << 32 | relocation.type
        return struct.pack(self._order + "QQq", relocation.offset, info, relocation.addend)


SECTION_SHIFT = 40  # lines carry their section above its offset
SECTION_OFFSET = (1 << SECTION_SHIFT) - 1


def _object_order(section: Section) -> tuple[int, int]:
    """GNU as makes .text, .data and .bss first, then the others as they are named."""
    first = {".text": 0, ".data": 1, ".bss": 2}
    return first.get(section.name, len(first)), section.index


def write_object(assembler: Assembler, layout: Layout, filename: str) -> bytes:
    """The bytes of an ET_REL file; what cannot be expressed is reported to the assembler.

    Without bytes if anything was reported.
    """
    for name in (".text", ".data", ".bss"):
        assembler.open_section(name)
    relocator = Relocator(assembler, layout, [])
    relocator.run()
    if assembler.failed:
        return b""
    result = Object(assembler, layout, filename)
    return result.write(relocator.relocations, _lines(assembler))


def _lines(assembler: Assembler) -> list[SourceLine]:
    """Lines by `.loc`, with the number of their section above the offset."""
    order = sorted(assembler.sections.values(), key=_object_order)
    number = {id(section): index for index, section in enumerate(order, 1)}
    found: list[SourceLine] = []
    for emission in assembler.emissions:
        section = emission.fragment.piece.section
        if emission.location is None or not section.flags & SHF_EXECINSTR:
            continue
        base = number[id(section)] << SECTION_SHIFT
        address = base + (emission.fragment.start or 0) + emission.offset
        file, line = emission.location
        end = base + section.pieces[0].size
        found.append(SourceLine(address, assembler.files.get(file, ""), line, end))
    found.sort(key=lambda line: line.address)
    return [
        SourceLine(
            line.address, line.file, line.line,
            min(line.end, found[index + 1].address) if index + 1 < len(found) else line.end,
        )
        for index, line in enumerate(found)
    ]  # fmt: skip
