"""Whether results can be written where they are asked for, found out before the work for them.

What is found out can still change; who writes says so then.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from emu.cli.input_files import shown
from emu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def must_be_writable(
    files: Iterable[Path | str | None] = (), folders: Iterable[Path | str | None] = ()
) -> None:
    """Check files to write (- is standard output) and folders to write files into.

    A folder need not be there yet. Nothing is changed. Raises ConfigError, which names the first
    that cannot be written and the reason.
    """
    for name in files:
        if name is not None and str(name) != "-":
            _check(Path(name), _file)
    for folder in folders:
        if folder is not None:
            _check(Path(folder), _folder)


def _check(path: Path, check: Callable[[Path], None]) -> None:
    try:
        check(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot write {shown(str(path))}: {reason}") from None


def _file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _folder(path.parent, missing_ok=False)
        return
    if not stat.S_ISFIFO(mode):  # that would wait for its reader
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def _folder(path: Path, *, missing_ok: bool = True) -> None:
    """Make and remove a file where the folder is, or where its first missing parent will be."""
    while missing_ok and not path.exists() and path != path.parent:
        path = path.parent
    with tempfile.TemporaryFile(dir=path):
        pass
