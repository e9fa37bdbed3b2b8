"""Other file forms of a program: a flat image, and hexadecimal text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import ImageError

if TYPE_CHECKING:
    from .program import Program

MAX_FLAT = 256 << 20


def flat(program: Program) -> bytes:
    """The memory from the lowest to the highest loaded byte; holes are zeros, .bss is left off.

    Raises ImageError if that would be more than MAX_FLAT bytes.
    """
    segments = [segment for segment in program.segments if segment.data]
    if not segments:
        return b""
    first = segments[0].address
    last = max(segment.address + len(segment.data) for segment in segments)
    if last - first > MAX_FLAT:
        raise ImageError(
            f"a flat image must span at most {MAX_FLAT >> 20} MiB, "
            f"this one spans {last - first:#x} bytes"
        )
    return program.read(first, last - first)


def hex_text(program: Program) -> str:
    """One `ADDRESS WORD` pair a line; the word is the 32-bit number in the program's byte order."""
    return "".join(f"{address:08x} {word:08x}\n" for address, word in program.words())
