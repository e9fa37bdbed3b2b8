"""Case files: reading one that a user names, writing those that a search found."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from emu.cli.input_files import read_input, shown
from emu.errors import ConfigError
from emu.explore.case import SUFFIX, CaseError, case_text, parse_case

if TYPE_CHECKING:
    from pathlib import Path

    from emu.explore.case import Case


def read_case(name: str) -> Case:
    """The case in a file, - for standard input. Raises ImageError and CaseError."""
    data = read_input(name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CaseError(
            f"{shown(name)}: a case is UTF-8 text, got {error.reason} at byte {error.start}"
        ) from None
    return parse_case(text, shown(name))


def write_case(case: Case, folder: Path) -> str:
    """Write a case into a folder, made if need be; returns the command that replays it.

    The name says what it is; a number keeps different cases of one name apart. Raises ConfigError.
    """
    words = (case.name, case.setting.host, *case.setting.bugs, case.property)
    stem = re.sub(r"[^A-Za-z0-9_+-]+", "-", "-".join(words)).strip("-")[:120] or "case"
    text = case_text(case)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _free(folder, stem, text)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write a case to {folder}: {error.strerror}") from None
    return f"emu replay {shlex.quote(str(path))}"


def _free(folder: Path, stem: str, text: str) -> Path:
    """A path that is not taken, or holds this very text."""
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}{SUFFIX}"
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") == text:
            return path
        number += 1
