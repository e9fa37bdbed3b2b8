"""What can be wrong with a litmus test's text: diagnostics with a place, collected, raised once."""

from __future__ import annotations

from dataclasses import dataclass

from emu.errors import EmuError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `start` and `end` are character offsets into the test's text."""

    message: str
    start: int
    end: int
    label: str = ""
    help: str = ""


class LitmusError(EmuError):
    """A litmus test that cannot be read or translated; carries all its problems, in text order."""

    def __init__(self, path: str, text: str, problems: list[Problem]) -> None:
        self.path = path
        self.text = text
        self.problems = sorted(problems, key=lambda p: p.start)
        super().__init__("\n\n".join(self.render(p) for p in self.problems))

    def render(self, problem: Problem) -> str:
        """The problem with its source line and a caret line under the offending characters."""
        line, column = position(self.text, problem.start)
        begin = problem.start - (column - 1)
        stop = self.text.find("\n", begin)
        source = self.text[begin : stop if stop >= 0 else len(self.text)].rstrip("\r")
        before = source[: column - 1].expandtabs(8)
        marked = source[column - 1 : column - 1 + max(1, problem.end - problem.start)]
        width = len((source[: column - 1] + marked).expandtabs(8)) - len(before)
        gutter = " " * len(str(line))
        carets = " " * len(before) + "^" * max(1, width)
        lines = [
            f"error: {problem.message}",
            f"{gutter}--> {self.path}:{line}:{column}",
            f"{gutter} |",
            f"{line} | {source.expandtabs(8)}",
            f"{gutter} | {carets} {problem.label}".rstrip(),
        ]
        if problem.help:
            lines.append(f"{gutter} = help: {problem.help}")
        return "\n".join(lines)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
