"""Sections: what goes where in memory, before and after addresses are known.

A section is one or more *pieces*, each contiguous; `.org ADDRESS` begins a piece at that address.
A piece is one or more *fragments*: a fragment ends where a size depends on what is not known yet
(a forward reference in `.space`, `.uleb128`, alignment after those). Within a fragment every
offset is exact from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .expressions import Code
    from .merge import Moved
    from .source import Line

SHT_PROGBITS, SHT_NOTE, SHT_NOBITS = 1, 7, 8
SHT_INIT_ARRAY, SHT_FINI_ARRAY, SHT_PREINIT_ARRAY = 14, 15, 16
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHF_MERGE, SHF_STRINGS, SHF_LINK_ORDER, SHF_GROUP, SHF_TLS = 16, 32, 128, 512, 1024
SHF_EXCLUDE = 0x80000000

NOP, BRANCH = 0x60000000, 0x48000000
# No-ops that end a dispatch group: ori 1,1,0 and ori 2,2,0.
GROUP_NOPS = {"power6": 0x60210000, "power7": 0x60420000, "power8": 0x60420000}

A, W, X = SHF_ALLOC, SHF_WRITE, SHF_EXECINSTR
# Flags and type of sections that say nothing themselves, by name or by name before a dot.
KNOWN = {
    ".text": (A | X, SHT_PROGBITS), ".init": (A | X, SHT_PROGBITS), ".fini": (A | X, SHT_PROGBITS),
    ".data": (A | W, SHT_PROGBITS), ".data1": (A | W, SHT_PROGBITS),
    ".sdata": (A | W, SHT_PROGBITS),
    ".bss": (A | W, SHT_NOBITS), ".sbss": (A | W, SHT_NOBITS),
    ".rodata": (A, SHT_PROGBITS), ".rodata1": (A, SHT_PROGBITS), ".sdata2": (A, SHT_PROGBITS),
    ".toc": (A | W, SHT_PROGBITS), ".got": (A | W, SHT_PROGBITS), ".opd": (A | W, SHT_PROGBITS),
    ".tdata": (A | W | SHF_TLS, SHT_PROGBITS), ".tbss": (A | W | SHF_TLS, SHT_NOBITS),
    ".init_array": (A | W, SHT_INIT_ARRAY), ".fini_array": (A | W, SHT_FINI_ARRAY),
    ".preinit_array": (A | W, SHT_PREINIT_ARRAY), ".note": (0, SHT_NOTE),
    ".vectors": (A | X, SHT_PROGBITS), ".eh_frame": (A, SHT_PROGBITS),
}  # fmt: skip


class Place(NamedTuple):
    """`offset` bytes into a fragment."""

    fragment: Fragment
    offset: int


@dataclass(slots=True)
class Tail:
    """What ends a fragment: bytes whose number is found when sections are laid out.

    kind: "align" (to `amount`, at most `limit` bytes if that is not 0), "space" (`code` bytes),
    "org" (up to where `code` says), "uleb" and "sleb" (`code` as LEB128), "advance" (a call frame
    instruction for `code` bytes).
    """

    kind: str
    line: Line
    column: int
    width: int
    code: int | Code = 0
    amount: int = 0
    limit: int = 0
    fill: bytes | None = b"\0"
    size: int = 0
    last_nop: int = NOP


class Fragment:
    """Bytes whose offsets in their piece differ by known amounts."""

    __slots__ = ("data", "hole", "moved", "phase", "piece", "start", "tail", "unmerged")

    def __init__(self, piece: Piece, start: int | None) -> None:
        self.piece = piece
        self.start = start
        self.data = bytearray()
        self.phase = -(piece.address or 0) & 3  # len(data) & 3 where a word is aligned
        self.hole = 0  # bytes of a section that has none in the file
        self.tail: Tail | None = None
        self.moved: Moved | None = None  # where bytes have gone, if entries were merged
        self.unmerged = b""  # what `data` was before that

    @property
    def size(self) -> int:
        """Bytes before the tail."""
        return len(self.data) + self.hole


class Piece:
    """A contiguous part of a section. address is None until layout, unless `.org` gave it."""

    __slots__ = ("address", "fixed", "fragments", "line", "section")

    def __init__(self, section: Section, address: int | None, line: Line | None = None) -> None:
        self.section = section
        self.address = address
        self.fixed = address is not None
        self.line = line  # the `.org` that made it
        self.fragments = [Fragment(self, 0)]

    @property
    def size(self) -> int:
        """Bytes, once its fragments have their starts."""
        last = self.fragments[-1]
        return (last.start or 0) + last.size + (last.tail.size if last.tail else 0)

    def contents(self) -> bytes:
        """Its bytes, after layout; a hole reads as zeros."""
        parts: list[bytes] = []
        for fragment in self.fragments:
            parts += (bytes(fragment.data), bytes(fragment.hole))
            if fragment.tail is not None:
                parts.append(tail_bytes(fragment.tail, self.section))
        return b"".join(parts)


@dataclass(slots=True)
class Section:
    """A named section. align: bytes, a power of two. index: order of first mention."""

    name: str
    flags: int
    type: int
    index: int
    entsize: int = 0
    align: int = 1
    pieces: list[Piece] = field(default_factory=list)
    big: bool = True

    @property
    def allocated(self) -> bool:
        """Whether it is part of the running program."""
        return bool(self.flags & SHF_ALLOC)

    @property
    def fragment(self) -> Fragment:
        """Where the next byte goes."""
        return self.pieces[-1].fragments[-1]


def default_section(name: str) -> tuple[int, int]:
    """Flags and type of a section whose `.section` gives none."""
    stem = name
    while stem:
        if stem in KNOWN:
            return KNOWN[stem]
        stem = stem.rpartition(".")[0]
    return (0, SHT_PROGBITS)


def tail_bytes(tail: Tail, section: Section) -> bytes:
    """The bytes of a laid-out tail."""
    if tail.kind == "align" and tail.fill is None:
        return code_padding(tail.size, big=section.big, last=tail.last_nop)
    if tail.kind in ("uleb", "sleb", "advance"):
        return tail.fill or b""
    return repeat(tail.fill or b"\0", tail.size)


def repeat(fill: bytes, size: int) -> bytes:
    """`size` bytes of a repeated pattern; an incomplete one comes first, as zeros."""
    whole, part = divmod(size, len(fill))
    return bytes(part) + fill * whole


def code_padding(size: int, *, big: bool, last: int = NOP) -> bytes:
    """What alignment in code is filled with, as GNU as does it.

    Execution runs through: no-ops, with a branch around them if there are more than four. last:
    the no-op before what is aligned, which on POWER6 to POWER8 ends a dispatch group.
    """
    if size % 4 or not size:
        return bytes(size)
    words = [NOP] * (size // 4 - 1) + [last]
    if len(words) > 4:
        words[0] = BRANCH | size
    return b"".join(word.to_bytes(4, "big" if big else "little") for word in words)
