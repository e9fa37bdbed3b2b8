"""Files that a user names: read whole, or refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

from emu.errors import ImageError

MAX_BYTES = 256 << 20  # a guest's memory is at most 4 GiB, its program much less


def read_input(name: str) -> bytes:
    """The bytes of the file `name`, or of standard input for `-`.

    Raises ImageError, which names the file and the reason: missing, unreadable, a directory, or
    larger than MAX_BYTES.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"cannot read {shown(name)}: {error.strerror}") from None
    except ValueError as error:  # a name with a NUL character
        raise ImageError(f"cannot read {shown(name)}: {error}") from None
    if len(data) > MAX_BYTES:
        raise ImageError(f"{shown(name)} is larger than {MAX_BYTES >> 20} MiB")
    return data


def shown(name: str) -> str:
    """The name of a file as messages give it: printable, and not endless."""
    if name == "-":
        return "standard input"
    text = name if len(name) <= 200 else name[:200] + "..."
    return text if text and text.isprintable() else repr(text)
