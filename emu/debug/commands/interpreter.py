"""Runs the debugger's command lines on a session, and reads what their arguments have in common."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.debug.commands.table import COMMANDS, CommandError, find
from emu.debug.context import Context
from emu.debug.expression import ExpressionError, UnknownNameError, parse
from emu.isa.sprs import SPRS
from emu.isa.table import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session
    from emu.debug.stops import Point, Stop
    from emu.hv.kvm import Vcpu

MAX_COUNT: Final = 1_000_000_000
MAX_NESTING: Final = 8


class Interpreter:
    """Runs command lines on a session. out: takes what they print, line by line."""

    def __init__(self, session: Session, out: Callable[[str], None]) -> None:
        self.session = session
        self.out = out
        self.context = Context(session)
        self.quit = False
        self.in_python = False  # the user's own code runs
        self.python_names: dict[str, object] = {}  # what it has defined, for the next such code
        self.more: Callable[[], str | None] = _nothing
        self._last = ""
        self.examined = 0
        self._nesting = 0
        self._shown = [len(vm.console) for vm in session.host.vms]

    # -- lines

    def execute(self, line: str) -> None:
        """Do one line; an empty one repeats what can be repeated. Raises EmuError."""
        line = line.strip()
        if line.startswith("#"):
            return
        if not line:
            line = self._last
        if not line:
            return
        match = re.match(r"[A-Za-z_!?-]+", line)
        word = match[0] if match else line.split()[0]
        row = find(word)
        rest = line[len(word) :].strip()
        self._last = line if row.repeats else ""
        if row.name == "x" and row.repeats:
            self._last = "x"
        self._nesting += 1
        try:
            if self._nesting > MAX_NESTING:
                raise CommandError(f"commands must not be nested deeper than {MAX_NESTING}")
            row.run(self, rest)
        finally:
            self._nesting -= 1

    def say(self, *lines: str) -> None:
        """Print lines."""
        for line in lines:
            self.out(line)

    def prompt(self) -> str:
        """Say where the machine is, for the prompt."""
        return f"(emu {self.session.vcpu.name} @{self.session.position}) "

    def arrive(self, stop: Stop) -> None:
        """Show where the machine has come to rest, and run the commands of what stopped it."""
        self._console()
        if stop.text:
            self.say(stop.text)
        if self.context.on:
            self.say(*self.context.lines())
        self.context.look()
        for point in stop.points:
            for line in point.commands:
                self.execute(line)

    def _console(self) -> None:
        for i, vm in enumerate(self.session.host.vms):
            text = vm.console
            if len(text) > self._shown[i]:
                for line in text[self._shown[i] :].decode("utf-8", "replace").splitlines():
                    self.say(f"| {line}")
                self._shown[i] = len(text)

    # -- arguments

    def number(self, text: str, default: int = 1) -> int:
        """A count: an expression, or the default if there is none."""
        value = self.session.evaluate(text) if text else default
        if value > MAX_COUNT:
            raise CommandError(f"a count must be at most {MAX_COUNT}, got {value}")
        return value

    def where(self, text: str) -> int:
        """An address: an expression, `*EXPRESSION` or FILE:LINE; none: here."""
        if not text:
            return self.session.nia()
        return self.session.evaluate(text.removeprefix("*"))

    def vcpu(self, text: str) -> Vcpu:
        """A vcpu: `1`, `v1`; none: the current one."""
        match = re.fullmatch(r"(?:v|t|vcpu)?([0-9]{1,4})", text.strip())
        if not text:
            return self.session.vcpu
        if match is None or int(match[1]) >= len(self.session.host.vcpus):
            last = len(self.session.host.vcpus) - 1
            raise CommandError(f"a vcpu must be v0 to v{last}, got {text!r}")
        return self.session.host.vcpus[int(match[1])]

    def actor(self, text: str) -> int:
        """An actor: a vcpu (its guest and task), or a hardware thread of the host."""
        host = self.session.host
        for i in range(len(host.actors)):
            if host.actor_name(i) == text and not text.startswith("v"):
                return i
        return self.session.actor_of(self.vcpu(text))

    def point(self, text: str) -> Point:
        """A breakpoint by its number."""
        if not text.isdecimal() or len(text) > 9:
            raise CommandError(f"a breakpoint has a number, got {text!r}")
        return self.session.point(int(text))

    def decorate(self, point: Point, text: str) -> str:
        """Take `thread N` and `if CONDITION` from the end of a point's arguments."""
        text, _, condition = _cut(text, "if")
        if condition:
            self.condition(point, condition)
        text, _, thread = _cut(text, "thread")
        if thread:
            point.vcpu = self.vcpu(thread).index
        return text.strip()

    def condition(self, point: Point, text: str) -> None:
        """Make a point stop only if an expression is not 0. What it reads may come later."""
        expression = parse(text)
        try:
            self.session.judge.look(expression, self.session.names.vcpu)
        except UnknownNameError:
            raise
        except ExpressionError:
            pass
        point.condition, point.condition_text = expression, text

    def block(self) -> list[str]:
        """The lines that follow, up to `end`."""
        lines = []
        while (line := self.more()) is not None and line.strip() != "end":
            lines.append(line)
        return lines


def _cut(text: str, word: str) -> tuple[str, str, str]:
    match = re.search(rf"(?:^|\s){word}\s+(.+)$", text)
    return (text[: match.start()], word, match[1].strip()) if match else (text, "", "")


def _nothing() -> str | None:
    return None


def completions(it: Interpreter, line: str, word: str) -> list[str]:
    """What a word, all since the last space of a line, may become."""
    before = line[: len(line) - len(word)].strip()
    if not before:
        return sorted(row.name for row in COMMANDS if row.name.startswith(word))
    first = before.split()[0]
    row = next((row for row in COMMANDS if first in (row.name, *row.short)), None)
    if row is not None and row.name == "help":
        return sorted(name for name in _topics() if name.startswith(word))
    if row is not None and row.words:
        return sorted(name for name in row.words if name.startswith(word))
    if before in ("source", "save", "load", "save schedule"):
        found = glob.glob(f"{glob.escape(word)}*")  # noqa: PTH207 - Path has no absolute patterns
        return sorted(name + "/" * Path(name).is_dir() for name in found)[:100]
    stem = re.split(r"[^\w]", word)[-1]
    done = word.removesuffix(stem)
    fits = (name for name in it.session.names.all_names() if name.startswith(stem))
    return sorted({f"{done}{name}" for name in fits})[:200]


def _topics() -> set[str]:
    """What `help` has a page for."""
    return {*(row.name for row in COMMANDS), *VARIANTS, *(spr.name.upper() for spr in SPRS)}
