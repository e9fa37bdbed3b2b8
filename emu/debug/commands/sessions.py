"""Commands for the session as a whole: files, scripts, help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.asm.source import read_bytes
from emu.debug.choices import Choices
from emu.debug.commands.table import CommandError, command, find, overview, usage
from emu.debug.history import Edit, Patch
from emu.debug.names import WORD
from emu.debug.stops import Stop
from emu.errors import EmuError
from emu.explore.schedule import parse_short, short_text

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


FORMAT: Final = 1
SESSION: Final = "session"


@command("save", "FILE", "keep all that was done by hand, and this place, as text", group=SESSION)
def _save(it: Interpreter, text: str) -> None:
    line = it.session.timeline
    if isinstance(line, Choices):
        if line.edits:
            raise CommandError("a schedule has no place for what was changed by hand")
        _write(text, short_text(line.schedule()) + "\n")
        return
    data = {
        "format": FORMAT,
        "position": line.position,
        "digest": line.digest(),
        "edits": [
            {
                "position": edit.position,
                "text": edit.text,
                "words": [[ref, value] for ref, value in edit.words.items()],
                "memory": [[p.vm, p.address, p.data.hex()] for p in edit.patches],
            }
            for edit in line.edits
            if edit.position < line.position
        ],
    }
    _write(text, json.dumps(data, indent=1) + "\n")


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, "ascii")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot write {name}: {error}") from None


@command("load", "FILE", "do again what was saved, and be where that was", group=SESSION)
def _load(it: Interpreter, text: str) -> None:
    session = it.session
    if isinstance(session.timeline, Choices):
        try:
            plan = parse_short(Path(text).read_text("ascii"))
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot read {text}: {error}") from None
        session.timeline.follow(plan)
        it.arrive(Stop("goto"))
        return
    try:
        data = json.loads(read_bytes(Path(text)))
        if data["format"] != FORMAT:
            raise CommandError(f"a saved session has format {FORMAT}, got {data['format']!r}")
        edits = [
            Edit(
                int(row["position"]),
                str(row["text"]),
                {int(ref): int(value) & WORD for ref, value in row["words"]},
                [Patch(int(vm), int(at), bytes.fromhex(raw)) for vm, at, raw in row["memory"]],
            )
            for row in data["edits"]
        ]
        position, digest = int(data["position"]), str(data["digest"])
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise CommandError(f"{text} is no saved session: {error}") from None
    nwords = len(session.host.words)
    if any(not 0 <= ref < nwords for edit in edits for ref in edit.words):
        raise CommandError(f"{text} is of another machine")
    session.timeline.goto(0)
    session.timeline.forget_future()
    session.timeline.edits = sorted(edits, key=lambda edit: edit.position)
    stop = session.goto(position)
    if session.timeline.digest() != digest:
        raise CommandError(f"{text} is of another guest or machine: the state differs")
    it.arrive(stop)


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
    scope = {"session": it.session, "host": it.session.host, "emu": it,
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
