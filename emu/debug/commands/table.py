"""The table of the debugger's commands: what is in it, and how one is found by what was typed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emu.errors import EmuError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.commands.interpreter import Interpreter


class CommandError(EmuError):
    """A command that cannot be done as it stands."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. repeats: an empty line does it again. words: what its argument may be."""

    name: str
    short: tuple[str, ...]
    arguments: str
    summary: str
    run: Callable[[Interpreter, str], None]
    group: str
    repeats: bool = False
    words: tuple[str, ...] = ()


COMMANDS: Final[list[Command]] = []


def command(
    name: str,
    arguments: str,
    summary: str,
    *short: str,
    group: str,
    repeats: bool = False,
    words: tuple[str, ...] = (),
) -> Callable[[Callable[[Interpreter, str], None]], Callable[[Interpreter, str], None]]:
    """Put a method into the table."""

    def enter(run: Callable[[Interpreter, str], None]) -> Callable[[Interpreter, str], None]:
        COMMANDS.append(Command(name, short, arguments, summary, run, group, repeats, words))
        return run

    return enter


def find(word: str) -> Command:
    """Find a command by its name, abbreviation, or a beginning that only it has.

    Raises CommandError.
    """
    for row in COMMANDS:
        if word == row.name or word in row.short:
            return row
    fits = [row for row in COMMANDS if row.name.startswith(word)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(row.name for row in fits)
        raise CommandError(f"{word!r} may be {names}")
    near = difflib.get_close_matches(word, [row.name for row in COMMANDS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; `help` lists the commands"
    raise CommandError(f"no command is called {word[:40]!r}{hint}")


def usage(row: Command) -> str:
    """A command with its abbreviations and arguments."""
    return f"{', '.join((row.name, *row.short))} {row.arguments}".rstrip()


def overview() -> list[str]:
    """All commands, by group."""
    lines = []
    for group in dict.fromkeys(row.group for row in COMMANDS):
        lines.append(f"{group}:")
        lines += [f"  {usage(row):44} {row.summary}" for row in COMMANDS if row.group == group]
    return lines
