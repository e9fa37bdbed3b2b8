"""What can be wrong with a litmus test's text: found by offset, shown as the assembler shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emu.asm import Diagnostic, Span
from emu.errors import EmuError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `start` and `end` are character offsets into the test's text.

    Both are 0 for a mistake of the whole test.
    """

    message: str
    start: int
    end: int
    label: str = ""
    help: str = ""


class LitmusError(EmuError):
    """A litmus test that cannot be read or translated; carries all its problems, in text order."""

    def __init__(self, path: str, text: str, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: p.start))
        self.diagnostics = tuple(diagnostic(path, text, p) for p in self.problems)
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))


def diagnostic(
    path: str, text: str, problem: Problem, severity: Literal["error", "warning"] = "error"
) -> Diagnostic:
    """A problem with the line of the text that it is in."""
    if problem.end == 0:
        span = Span(path, 0, "")
    else:
        line, column = position(text, problem.start)
        source = text.split("\n", line)[line - 1].rstrip("\r")
        span = Span(path, line, source, column - 1, max(1, problem.end - problem.start))
    return Diagnostic(problem.message, span, problem.label, problem.help, severity=severity)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
