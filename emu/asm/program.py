"""What assembling (or reading an ELF file) gives: a program that can be loaded as it is."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .diagnostics import Diagnostic

Endian = Literal["big", "little"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Memory contents. size >= len(data): the rest is zeros. executable, writable: as declared."""

    address: int
    data: bytes
    size: int
    executable: bool = True
    writable: bool = True
    name: str = ""

    @property
    def end(self) -> int:
        """One past its last byte."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class ProgramSymbol:
    """A named address (or number: section is empty then).

    type: "func", "object" or "". binding: "local", "global" or "weak".
    """

    name: str
    address: int
    size: int = 0
    type: str = ""
    binding: str = "local"
    section: str = ""
    other: int = 0


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where the instruction at `address` comes from. end: one past the bytes it stands for."""

    address: int
    file: str
    line: int
    end: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """Code that is called: from `start` to before `end`.

    external: other files may call it. outermost: nobody calls it, and no `.cfi_*` says so.
    """

    name: str
    start: int
    end: int
    external: bool = False
    outermost: bool = False


@dataclass(frozen=True, slots=True)
class SectionImage:
    """A section of the file, loaded or not, for those who write or show files."""

    name: str
    address: int
    data: bytes
    size: int
    flags: int
    type: int
    align: int = 1
    entsize: int = 0


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A relocatable object (ET_REL) as it goes to a file, and what was said and read on the way."""

    data: bytes
    warnings: tuple[Diagnostic, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A program at fixed addresses.

    segments: in order of address, not overlapping. entry: where vcpus begin. lines: in order of
    address. abi: ELF ABI version (1 or 2), 0 if the source does not say. relative: addresses are
    from an unknown load address (ET_DYN). offset: how far from the file's addresses it lies.
    """

    name: str
    endian: Endian
    entry: int
    segments: tuple[Segment, ...]
    symbols: Mapping[str, ProgramSymbol] = field(default_factory=dict)
    lines: tuple[SourceLine, ...] = ()
    sections: tuple[SectionImage, ...] = ()
    functions: tuple[Function, ...] = ()
    abi: int = 0
    relative: bool = False
    offset: int = 0
    warnings: tuple[Diagnostic, ...] = ()
    sources: tuple[str, ...] = ()

    def moved(self, offset: int) -> Program:
        """The program as it lies when its addresses count from `offset`; no longer relative."""
        return replace(
            self,
            entry=self.entry + offset,
            segments=tuple(replace(s, address=s.address + offset) for s in self.segments),
            symbols={
                name: replace(symbol, address=symbol.address + (offset if symbol.section else 0))
                for name, symbol in self.symbols.items()
            },
            lines=tuple(
                replace(line, address=line.address + offset, end=line.end + offset)
                for line in self.lines
            ),
            functions=tuple(
                replace(row, start=row.start + offset, end=row.end + offset)
                for row in self.functions
            ),
            sections=tuple(
                replace(section, address=section.address + offset) for section in self.sections
            ),
            relative=False,
            offset=self.offset + offset,
        )

    def read(self, address: int, size: int) -> bytes:
        """Contents of memory from `address` on; zeros where nothing is loaded."""
        result = bytearray(size)
        for segment in self.segments:
            first, last = max(segment.address, address), min(segment.end, address + size)
            if first < last:
                piece = segment.data[first - segment.address : last - segment.address]
                result[first - address : first - address + len(piece)] = piece
        return bytes(result)

    def word(self, address: int) -> int:
        """The 32-bit word at `address`, in the program's byte order."""
        return int.from_bytes(self.read(address, 4), self.endian)

    def contains(self, address: int) -> bool:
        """Whether a segment covers the address."""
        return any(segment.address <= address < segment.end for segment in self.segments)

    def line_at(self, address: int) -> SourceLine | None:
        """The source line of the instruction or data at `address`, if one is known."""
        index = bisect_right(self.lines, address, key=lambda line: line.address) - 1
        if index < 0:
            return None
        line = self.lines[index]
        return line if address < line.end else None

    def address_of(self, name: str) -> int | None:
        """The address of a symbol."""
        symbol = self.symbols.get(name)
        return None if symbol is None else symbol.address

    def words(self) -> Iterator[tuple[int, int]]:
        """Address and value of every loaded word, the last one padded with zeros."""
        for segment in self.segments:
            data = segment.data + bytes(-len(segment.data) % 4)
            for offset in range(0, len(data), 4):
                word = int.from_bytes(data[offset : offset + 4], self.endian)
                yield segment.address + offset, word
