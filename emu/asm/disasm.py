"""Listings of what a program's words mean, as objdump -d prints them, with symbols."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from emu.isa.disasm import disassemble

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


def lines(program: Program, *, everything: bool = False) -> Iterator[str]:
    """The program's code, a line each word, under the symbols; `everything`: its data too."""
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
    while offset < len(data):
        address = segment.address + offset
        label = names.exactly(address)
        if label is not None:
            yield ""
            yield f"{address:016x} <{label}>:"
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
