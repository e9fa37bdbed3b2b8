"""The debugger's prompt: reads lines, runs them, shows what they print.

Streams are injected. On a terminal, lines are edited and completed, history is kept, and stops
are coloured; else the text is plain.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from emu.debug.commands import Interpreter, completions
from emu.debug.ctrl_c import CtrlC
from emu.errors import EmuError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.debug.session import Session

HISTORY_LINES = 2000
COLOURS = (
    (re.compile(r"^( => .*)$"), "\x1b[1m\\1\x1b[0m"),
    (re.compile(r"^(\| .*)$"), "\x1b[36m\\1\x1b[0m"),
    (re.compile(r"^((?:break|watch|catch)point \d+.*)$"), "\x1b[33m\\1\x1b[0m"),
    (re.compile(r"^(error: .*)$"), "\x1b[31m\\1\x1b[0m"),
    (re.compile(r"(<[\w.$+]+>)"), "\x1b[34m\\1\x1b[0m"),
)


class Repl:
    """A prompt on a session."""

    def __init__(self, session: Session, stdin: TextIO, stdout: TextIO) -> None:
        self.session = session
        self.stdin = stdin
        self.stdout = stdout
        self.terminal = stdin.isatty() and stdout.isatty()
        self.coloured = self.terminal and "NO_COLOR" not in os.environ
        self.interpreter = Interpreter(session, self.print)
        self.interpreter.more = self._more
        self.interrupted = False  # Ctrl-C has ended the last command
        # Python of the user's own does not look whether it was asked to stop.
        self.ctrl_c = CtrlC(breaks_in=lambda: self.interpreter.in_python)
        session.interrupt = self._interrupted

    def print(self, line: str) -> None:
        """Write a line."""
        if self.coloured:
            for pattern, replacement in COLOURS:
                line = pattern.sub(replacement, line)
        self.stdout.write(line + "\n")

    def run_script(self, text: str) -> bool:
        """Run the commands of a text; False: one failed or was interrupted, the rest left out."""
        lines = iter(text.splitlines())
        before, self.interpreter.more = self.interpreter.more, lambda: next(lines, None)
        try:
            for line in lines:
                if line.strip() and not self.run_line(line):
                    return False
                if self.interpreter.quit:
                    break
        finally:
            self.interpreter.more = before
        return True

    def run_line(self, line: str) -> bool:
        """Run one command; False: it failed, or was interrupted, and has said so."""
        self.interrupted = False
        try:
            self.interpreter.execute(line)
            if self._interrupted():  # what it did was no run of the machine
                self.print("interrupted")
        except EmuError as error:
            self.print(f"error: {error}")
            return False
        except KeyboardInterrupt:
            self.ctrl_c.take()
            self.interrupted = True
            self.print("interrupted")
        finally:
            self.stdout.flush()
        return not self.interrupted

    def loop(self) -> None:
        """Prompt until the user leaves."""
        with self._editing():
            while not self.interpreter.quit:
                line = self._read(self.interpreter.prompt())
                if line is None:
                    break
                self.run_line(line)

    # -- input

    def _read(self, prompt: str) -> str | None:
        """Read a command; None at the end of input, a comment if Ctrl-C has ended the line."""
        try:
            return self._line(prompt)
        except KeyboardInterrupt:
            self.print("")
            return "#"

    def _line(self, prompt: str) -> str | None:
        """Read a line; None at the end of input. Raises KeyboardInterrupt."""
        try:
            with self.ctrl_c.waiting():
                if self.terminal:
                    return input(prompt)
                self.stdout.write(prompt)
                self.stdout.flush()
                line = self.stdin.readline()
        except EOFError:
            line = ""
        if not line:
            self.print("")
            return None
        return line

    def _more(self) -> str | None:
        return self._line("> ")

    @contextlib.contextmanager
    def _editing(self) -> Iterator[None]:
        """Edit lines with completion and history, if there is a terminal to do it on."""
        if not self.terminal:
            yield
            return
        import readline  # noqa: PLC0415 - only with a terminal

        path = Path(os.environ.get("EMU_HISTORY", Path.home() / ".emu_history"))
        with contextlib.suppress(OSError):
            readline.read_history_file(path)
        readline.set_history_length(HISTORY_LINES)
        readline.set_completer_delims(" \t\n")
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")
        try:
            yield
        finally:
            readline.set_completer(None)
            with contextlib.suppress(OSError):
                readline.write_history_file(path)

    def _complete(self, word: str, state: int) -> str | None:
        import readline  # noqa: PLC0415 - only with a terminal

        line = readline.get_line_buffer()[: readline.get_endidx()]
        found = completions(self.interpreter, line, word)
        if len(found) == 1 and not line.removesuffix(word).strip():
            found = [f"{found[0]} "]  # a command, and its arguments may follow
        return found[state] if state < len(found) else None

    # -- Ctrl-C

    def _interrupted(self) -> bool:
        """Whether the machine is to stop."""
        asked = self.ctrl_c.take()
        self.interrupted = self.interrupted or asked
        return asked


def standard(session: Session) -> Repl:
    """Make a prompt on standard input and output."""
    return Repl(session, sys.stdin, sys.stdout)
