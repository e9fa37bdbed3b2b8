"""Assembly listings in GNU as's manner: line, address, bytes, source.

Each source line shows what it produced; a macro call or repetition is followed by the lines that
came of it, marked with a `>` for each level. Symbols follow at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .program import Program

BYTES_IN_ROW = 4
MAX_ROWS = 16  # of one line; a long string shows its beginning


class ListedLine:
    """One line of the listing. address: of its first byte, None if it produced none."""

    __slots__ = ("address", "data", "depth", "file", "number", "text")

    def __init__(
        self, file: str, number: int, text: str, depth: int, address: int | None, data: bytes
    ) -> None:
        self.file = file
        self.number = number
        self.text = text
        self.depth = depth
        self.address = address
        self.data = data


def listing(program: Program, lines: Sequence[ListedLine]) -> str:
    """The listing's text."""
    out = list(_rows(program.name, lines))
    out += ["", "DEFINED SYMBOLS"]
    placed = sorted(program.symbols.values(), key=lambda s: (s.address, s.name))
    for symbol in placed:
        section = symbol.section or "*ABS*"
        out.append(f"{section:>20}:{symbol.address & (1 << 64) - 1:016x} {symbol.name}")
    return "\n".join(out) + "\n"


def _rows(name: str, lines: Sequence[ListedLine]) -> Iterator[str]:
    file = name
    for line in lines:
        if line.file != file:
            file = line.file
            yield f"     {file}:"
        rows = [
            line.data[at : at + BYTES_IN_ROW].hex().upper()
            for at in range(0, len(line.data), BYTES_IN_ROW)
        ] or [""]
        address = "" if line.address is None else f"{line.address:08x}"
        text = printable(line.text.expandtabs(8).rstrip())
        mark = ">" * line.depth + " " if line.depth else ""
        yield f"{line.number:4} {address:<8} {rows[0]:<8} \t{mark}{text}".rstrip()
        for index, row in enumerate(rows[1:MAX_ROWS], 1):
            at = (line.address or 0) + index * BYTES_IN_ROW
            yield f"{line.number:4} {at:08x} {row}"
        if len(rows) > MAX_ROWS:
            yield f"{line.number:4} ... {len(line.data)} bytes"
