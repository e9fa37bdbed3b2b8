"""Listings of what a program's words mean, as objdump -d prints them, with symbols."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

from emu.isa.disasm import disassemble

from .diagnostics import printable
from .source import decode, physical_lines, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .program import Program, Segment


class Names:
    """Symbols by address: the nearest at or below an address names it."""

    def __init__(self, program: Program) -> None:
        placed = [
            symbol
            for symbol in program.symbols.values()
            if symbol.section and program.contains(symbol.address)
        ]
        # Of several at one address the global one, then a function, then the first by name.
        rank = {"global": 0, "weak": 1, "local": 2}
        placed.sort(key=lambda s: (s.address, rank[s.binding], s.type != "func", s.name))
        self._at: dict[int, str] = {}
        for symbol in placed:
            self._at.setdefault(symbol.address, symbol.name)
        self._addresses = sorted(self._at)
        self._program = program

    def exactly(self, address: int) -> str | None:
        """The symbol at this very address."""
        return self._at.get(address)

    def name(self, address: int) -> str | None:
        """`symbol` or `symbol+0x10` for an address of the program."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0 or not self._program.contains(address):
            return None
        base = self._addresses[index]
        offset = address - base
        return self._at[base] + (f"+{offset:#x}" if offset else "")


class Sources:
    """Lines of source files, read when first asked for."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str | None:
        """The text of a line, None if the file or the line is not there."""
        if file not in self._files:
            try:
                self._files[file] = physical_lines(decode(read_bytes(Path(file))))
            except (OSError, ValueError):
                self._files[file] = []
        lines = self._files[file]
        return printable(lines[number - 1].expandtabs(8)) if 0 < number <= len(lines) else None


def program_lines(program: Program, *, everything: bool = False) -> Iterator[str]:
    """The program's code, a line each word, under the symbols; `everything`: its data too.

    Where the program knows its source lines, each stands before the code that it became.
    """
    names = Names(program)
    yield f"{program.name}: {program.endian}-endian, entry {program.entry:#x}"
    for segment in program.segments:
        if segment.executable or everything:
            yield ""
            title = f" {segment.name}" if segment.name else ""
            yield f"segment{title} at {segment.address:#x}:"
            yield from _segment(segment, names, program)


def _segment(segment: Segment, names: Names, program: Program) -> Iterator[str]:
    data = segment.data
    offset = 0
    sources = Sources()
    line: tuple[str, int] | None = None
    while offset < len(data):
        address = segment.address + offset
        label = names.exactly(address)
        if label is not None:
            yield ""
            yield f"{address:016x} <{label}>:"
        origin = program.line_at(address) if program.lines else None
        if origin is not None and (origin.file, origin.line) != line:
            line = (origin.file, origin.line)
            yield f"{origin.file}:{origin.line}"
            text = sources.line(*line)
            if text is not None:
                yield text
        zeros = _zeros(data, offset, names, segment.address)
        if zeros >= 16:
            yield "\t..."
            offset += zeros
            continue
        chunk = data[offset : offset + 4]
        shown = " ".join(f"{byte:02x}" for byte in chunk)
        if len(chunk) < 4:
            text = ".byte   " + ",".join(f"{byte:#x}" for byte in chunk)
        else:
            text = disassemble(int.from_bytes(chunk, program.endian), address, names.name)
        yield f"{address:8x}:\t{shown:<11} \t{text}"
        offset += 4


def _zeros(data: bytes, offset: int, names: Names, base: int) -> int:
    """How many zero bytes follow, in whole words and up to the next symbol."""
    stop = offset
    while (
        stop + 4 <= len(data)
        and not any(data[stop : stop + 4])
        and (stop == offset or names.exactly(base + stop) is None)
    ):
        stop += 4
    return stop - offset
