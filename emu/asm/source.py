"""Lines of source text and how they came to be read.

Undecodable bytes are carried as lone surrogates, so that a string directive emits the very bytes
of the file and a message can show them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .diagnostics import Note, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SOURCE_BYTES = 64 << 20


class Via(NamedTuple):
    """Why a line is read: `message`, at `line`."""

    message: str
    line: Line


class Line:
    """One physical line, or one line that a macro or a repetition produced.

    serial: order of reading, by which messages are sorted. via: the call or include it comes from.
    """

    __slots__ = ("file", "number", "serial", "text", "via")

    def __init__(self, file: str, number: int, text: str, serial: int, via: Via | None) -> None:
        self.file = file
        self.number = number
        self.text = text
        self.serial = serial
        self.via = via

    def span(self, column: int, width: int) -> Span:
        """A stretch of this line."""
        return Span(self.file, self.number, self.text, column, width)

    def notes(self) -> tuple[Note, ...]:
        """The chain of calls and includes, innermost first."""
        found = []
        via = self.via
        while via is not None:
            found.append(Note(via.message, via.line.file, via.line.number))
            via = via.line.via
        if len(found) > MAX_NOTES:
            omitted = Note(f"({len(found) - MAX_NOTES} more)", found[-1].file, found[-1].line)
            found[MAX_NOTES // 2 : -MAX_NOTES // 2] = [omitted]
        return tuple(found)

    def outermost(self) -> Line:
        """The line of a file that this one comes from: itself, or where a macro was called."""
        line = self
        while line.via is not None and line.via.message != INCLUDED:
            line = line.via.line
        return line


MAX_NOTES = 8
INCLUDED = "included"


def decode(data: bytes) -> str:
    """Source text of a file's bytes; see the module docstring."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that `text` was decoded from."""
    return text.encode("utf-8", "surrogateescape")


def physical_lines(text: str) -> list[str]:
    """Lines without their ends; only LF, CRLF and CR end a line."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def find(name: str, near: str, directories: Iterable[Path]) -> Path | None:
    """The file that `.include "name"` means: beside the including file, then along -I."""
    if "\0" in name:
        return None
    for directory in (Path(near).parent, *directories):
        path = directory / name
        try:
            if path.exists() and not path.is_dir():
                return path
        except OSError:
            continue
    return None


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises OSError; one of more than MAX_SOURCE_BYTES is an OSError too."""
    with path.open("rb") as file:  # not its size first: a device has none, and no end
        data = file.read(MAX_SOURCE_BYTES + 1)
    if len(data) > MAX_SOURCE_BYTES:
        raise OSError(f"larger than {MAX_SOURCE_BYTES >> 20} MiB")
    return data
