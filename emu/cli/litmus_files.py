"""Litmus tests that a user names: which files they are, and reading one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.input_files import read_input, shown
from emu.errors import ImageError
from emu.explore.litmus.parse import load, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.explore.litmus.model import Litmus


def litmus_files(names: Iterable[str]) -> Iterable[str]:
    """The files themselves, and the *.litmus files in directories and below, by name.

    Raises ImageError for a directory that has none: whoever names it expects them to be run.
    """
    for name in names:
        if not Path(name).is_dir():
            yield name
            continue
        found = sorted(str(path) for path in Path(name).rglob("*.litmus"))
        if not found:
            raise ImageError(f"{shown(name)} has no *.litmus file, nor has a directory below it")
        yield from found


def read_litmus(name: str) -> Litmus:
    """The litmus test in a file, or on standard input for `-`; warnings about it are printed.

    Raises LitmusError, or ImageError for a standard input that cannot be read.
    """
    if name == "-":
        test = parse(read_input(name).decode("utf-8", "replace"), "<stdin>")
    else:
        test = load(Path(name))
    for warning in test.warnings:
        click.echo(warning.render(), err=True)
    return test
