"""Files that a user names: read whole, or refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emu.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def must_not_overwrite(source: str | None, outputs: Iterable[str | None]) -> None:
    """Refuse to write to the file that is read, however its name is spelt. Raises ConfigError."""
    for output in outputs:
        if source is not None and output not in {None, "-"} and _same(str(output), source):
            raise ConfigError(f"an output must not be the source itself, got {shown(str(output))}")


def _same(one: str, other: str) -> bool:
    """Whether two names are of one file that exists."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):  # one of them is still to be made
        return False


def shown(name: str) -> str:
    """The name of a file as messages give it: printable, and not endless."""
    if name == "-":
        return "standard input"
    text = name if len(name) <= 200 else name[:200] + "..."
    return text if text and text.isprintable() else repr(text)
