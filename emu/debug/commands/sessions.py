"""Commands for the session as a whole: files, scripts, help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.asm.source import read_bytes
from emu.debug.choices import Choices
from emu.debug.commands.table import CommandError, command, find, overview, usage
from emu.debug.saved_session import restore_session, session_text
from emu.debug.stops import Stop
from emu.debug.timeline import Timeline
from emu.debug.turns import turns_so_far
from emu.errors import EmuError, ReplayError
from emu.explore.schedule import parse_short, short_text
from emu.hv.schedule_text import FIRST_LINE, parse_schedule, schedule_lines

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


SESSION: Final = "session"


@command("save", "[schedule] FILE",
         "keep all that was done by hand, and this place; or only the schedule, for `emu run`",
         group=SESSION)  # fmt: skip
def _save(it: Interpreter, text: str) -> None:
    line = it.session.timeline
    match = re.fullmatch(r"schedule\s+(.+)", text)
    if isinstance(line, Choices):
        if line.edits:
            raise CommandError("a schedule has no place for what was changed by hand")
        _write(match[1] if match else text, short_text(line.schedule()) + "\n")
    elif match and isinstance(line, Timeline):
        names = [actor.name for actor in it.session.host.actors]
        lines = schedule_lines(turns_so_far(line), names)
        _write(match[1], "".join(f"{row}\n" for row in lines))
    else:
        _write(text, session_text(line))


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, "ascii")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot write {name}: {error}") from None


@command("load", "FILE", "do again what was saved, and be where that was", group=SESSION)
def _load(it: Interpreter, text: str) -> None:
    line = it.session.timeline
    try:
        data = read_bytes(Path(text)).decode("utf-8", "replace")
        if isinstance(line, Choices):
            line.follow(parse_short(data))
        elif isinstance(line, Timeline) and data.startswith(FIRST_LINE):
            names = [actor.name for actor in it.session.host.actors]
            line.follow(parse_schedule(data, names))
        else:
            restore_session(line, data)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {text}: {error}") from None
    except ReplayError as error:
        raise CommandError(f"{text}: {error}") from None
    it.arrive(it.session.rest(Stop("goto")))


@command("source", "FILE", "run commands from a file", group=SESSION)
def _source(it: Interpreter, text: str) -> None:
    try:
        lines = iter(read_bytes(Path(text)).decode("utf-8", "replace").splitlines())
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {text}: {error}") from None
    before, it.more = it.more, lambda: next(lines, None)
    try:
        for line in lines:
            if line.strip():
                it.execute(line)
            if it.quit:
                break
    finally:
        it.more = before


@command("python", "[STATEMENT]", "Python with `session` and `host`; lines up to `end`", "py",
         group=SESSION)  # fmt: skip
def _python(it: Interpreter, text: str) -> None:
    source = text or "\n".join(it.block())
    scope = it.python_names
    scope |= {"session": it.session, "host": it.session.host, "emu": it,
              "print": lambda *values: it.say(" ".join(map(str, values)))}  # fmt: skip
    before, it.in_python = it.in_python, True
    try:
        exec(compile(source, "<python>", "exec"), scope)  # noqa: S102 - the user's own code
    except EmuError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the user's
        raise CommandError(f"python: {type(error).__name__}: {error}") from None
    finally:
        it.in_python = before


@command("echo", "TEXT", "print a line", group=SESSION)
def _echo(it: Interpreter, text: str) -> None:
    it.say(text)


@command("help", "[COMMAND|INSTRUCTION]", "the commands, or the manual of one thing", "h", "?",
         group=SESSION)  # fmt: skip
def _help(it: Interpreter, text: str) -> None:
    if not text:
        it.say(*overview())
        return
    try:
        row = find(text)
    except CommandError:
        from emu.isa.manual import UnknownNameError, page  # noqa: PLC0415 - seldom wanted

        try:
            it.say(*page(text).splitlines())
        except UnknownNameError:
            raise CommandError(f"no command or instruction is called {text[:40]!r}") from None
        return
    it.say(usage(row), f"  {row.summary}")


@command("quit", "", "leave", "q", "exit", group=SESSION)
def _quit(it: Interpreter, _: str) -> None:
    it.quit = True
