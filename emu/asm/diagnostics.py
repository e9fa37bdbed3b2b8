"""What is wrong with a source text, as data, and how it is shown.

Only `render` knows about carets. Knows nothing of assembly.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

TAB = 8
MAX_SHOWN = 160  # characters of a source line that a message shows


@dataclass(frozen=True, slots=True)
class Span:
    """Where: a stretch of one physical line.

    line: from 1, or 0 for a place that is no line (the command line).
    column, width: characters; column counts from 0, width is at least 1 when shown.
    """

    file: str
    line: int
    text: str
    column: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """One step of how the text came to be read: a macro call or an `.include`."""

    message: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake (or warning): rule in `message`, value beside the caret in `label`."""

    message: str
    span: Span
    label: str = ""
    help: str = ""
    notes: tuple[Note, ...] = ()
    severity: Literal["error", "warning"] = "error"

    def render(self) -> str:
        """Text of several lines, without a final newline."""
        span = self.span
        lines = [f"{self.severity}: {self.message}"]
        if span.line:
            margin = len(str(span.line))
            text, start, width = _window(span)
            lines.append(f"{' ' * margin}--> {span.file}:{span.line}:{span.column + 1}")
            lines.append(f"{' ' * margin} |")
            lines.append(f"{span.line} | {text}".rstrip())
            label = f" {printable(self.label)}" if self.label else ""
            lines.append(f"{' ' * margin} | {' ' * start}{'^' * width}{label}")
        else:
            margin = 1
            lines.append(f" --> {span.file}")
        lines += [f"{' ' * margin} = help: {printable(self.help)}"] * bool(self.help)
        for note in self.notes:
            lines.append(f"{' ' * margin} = note: {note.message} at {note.file}:{note.line}")
        return "\n".join(printable(line) for line in lines)

    def as_json(self) -> dict[str, object]:
        """The same as plain data for `--diagnostics=json`; line and column count from 1."""
        return {
            "severity": self.severity,
            "message": printable(self.message),
            "file": printable(self.span.file),
            "line": self.span.line,
            "column": self.span.column + 1,
            "width": self.span.width,
            "label": printable(self.label),
            "help": printable(self.help),
            "notes": [
                {"message": n.message, "file": printable(n.file), "line": n.line}
                for n in self.notes
            ],
        }


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """All of them, a blank line between two."""
    return "\n\n".join(diagnostic.render() for diagnostic in diagnostics)


def suggestion(word: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` for the nearest known word, or nothing."""
    word = word[:40]
    words = list(known)
    # Swapped letters are the commonest slip, and no rarer change should win over them.
    near = [other for other in words if sorted(other) == sorted(word)]
    near = near or difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""


def _window(span: Span) -> tuple[str, int, int]:
    """Text, caret start and caret width as shown: tabs expanded, a huge line cut."""
    text, column, width = span.text, span.column, max(span.width, 1)
    cut_left = cut_right = False
    if len(text) > MAX_SHOWN:
        first = max(0, min(column - MAX_SHOWN // 2, len(text) - MAX_SHOWN))
        cut_left, cut_right = first > 0, first + MAX_SHOWN < len(text)
        text, column = text[first : first + MAX_SHOWN], column - first
        width = min(width, len(text) - column) if column < len(text) else 1
    before = printable(text[:column].expandtabs(TAB))
    until = printable(text[: column + width].expandtabs(TAB))
    whole = printable(text.expandtabs(TAB))
    start, stop = len(before), max(len(until), len(before) + 1)
    if cut_left:
        whole, start, stop = "..." + whole, start + 3, stop + 3
    return whole + "..." * cut_right, start, stop - start


def printable(text: str) -> str:
    """Every character printable: control characters and undecodable bytes as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8 (surrogateescape)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
