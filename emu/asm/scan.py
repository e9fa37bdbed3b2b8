"""From characters to statements and tokens; knows no mnemonic, directive or symbol.

A physical line holds statements separated by `;`. Comments are `#` and `//` to the end of the
line and `/* */`, which may span lines. Tokens come as a *shape*, one character for each token, and
the tokens' texts: lines of the same shape share one parse (`parse.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

# One character for each kind of token. Operators that are one character stand for themselves.
NUMBER, NAME, REGISTER, STRING, MODIFIER = "n", "s", "r", '"', "@"
LONG_OPERATORS = {
    "<<": "L", ">>": "R", "==": "E", "!=": "N", "<>": "N",
    "<=": "{", ">=": "}", "&&": "A", "||": "O",
}  # fmt: skip

_TOKEN = re.compile(
    r"""
    (?P<n> 0[xX][0-9a-fA-F]+ (?![\w.$]) | 0[bB][01]+ (?![\w.$]) | [0-9]+ (?![\w$.])
         | '(?:\\[0-7]{1,3}|\\.|[^\\])'? )
  | (?P<s> [A-Za-z_.$][\w.$]* | [0-9]+[bf](?!\w) )
  | (?P<a> @[A-Za-z_]\w*(?:@[A-Za-z_]\w*)* )
  | (?P<q> "(?:[^"\\]|\\.)*" )
  | (?P<r> %[A-Za-z]\w* )
  | (?P<l> << | >> | == | != | <> | <= | >= | && | \|\| )
  | (?P<o> [-+*/%&|^!~(),=<>] )
  | (?P<w> [ \t\f\v]+ )
  | (?P<x> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

# What a line is cut at. A character constant hides its character: ';' ends no statement.
_PIECE = re.compile(
    r""" "(?:[^"\\]|\\.)*"? | '(?:\\.|[^\\]) | // | /\* | [#;] | [^"'/#;]+ | [/'] """,
    re.VERBOSE | re.DOTALL,
)
_NEEDS_CARE = re.compile(r"""["'#;/]""")
_LABEL = re.compile(r"\s*([A-Za-z_.$][\w.$]*|[0-9]+)[ \t]*:", re.ASCII)
_HEAD = re.compile(r"\s*([^\s=,(\"]+)", re.ASCII)
_ASSIGN = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*==?(?!=)", re.ASCII)


class ScanError(Exception):
    """A character no token starts with; column and width within the scanned text."""

    def __init__(self, message: str, column: int, width: int, label: str = "") -> None:
        super().__init__(message)
        self.message, self.column, self.width, self.label = message, column, width, label


class Tokens(NamedTuple):
    """A scanned text: one character of `shape` and one text for each token."""

    shape: str
    texts: tuple[str, ...]


@dataclass(slots=True)
class Statement:
    """One statement of a line.

    labels: (name, column) of each `name:` before it.
    head: lower-case mnemonic, directive with its dot, or "=" for an assignment, "" if empty.
    head_column, args_column: in the line. args: text after the head.
    target: the name an assignment sets. code: an instruction's bytes, if they never differ.
    """

    line: str
    labels: tuple[tuple[str, int], ...]
    head: str
    head_column: int
    args: str
    args_column: int
    target: str = ""
    tokens: Tokens | None = None
    code: bytes | None = None


def split_line(line: str, *, in_comment: bool) -> tuple[list[tuple[int, str]], bool]:
    """Column and text of each statement of a line, comments blanked; and whether `/*` is open."""
    if not in_comment and not _NEEDS_CARE.search(line):
        return [(0, line)], False
    statements: list[tuple[int, str]] = []
    parts: list[str] = []
    start = position = 0
    while position < len(line):
        if in_comment:
            close = line.find("*/", position)
            if close < 0:
                parts.append(" " * (len(line) - position))
                break
            parts.append(" " * (close + 2 - position))
            position, in_comment = close + 2, False
            continue
        match = _PIECE.match(line, position)
        piece = match.group() if match else line[position]
        if piece in ("#", "//"):
            break
        position += len(piece)
        if piece == "/*":
            in_comment = True
            parts.append("  ")
        elif piece == ";":
            statements.append((start, "".join(parts)))
            start, parts = position, []
        else:
            parts.append(piece)
    statements.append((start, "".join(parts)))
    return statements, in_comment


def split_statement(line: str, column: int, text: str) -> Statement:
    """Labels, head and arguments of the statement `text` that stands at `column` of `line`."""
    labels: list[tuple[str, int]] = []
    position = 0
    while match := _LABEL.match(text, position):
        labels.append((match.group(1), column + match.start(1)))
        position = match.end()
    if match := _ASSIGN.match(text, position):
        return Statement(
            line, tuple(labels), "=", column + match.start(1), text[match.end() :],
            column + match.end(), match.group(1),
        )  # fmt: skip
    if match := _HEAD.match(text, position):
        end = match.end()
        return Statement(
            line, tuple(labels), match.group(1).lower(), column + match.start(1),
            text[end:].rstrip(), column + end,
        )  # fmt: skip
    return Statement(line, tuple(labels), "", column + len(text), "", column + len(text))


def scan(text: str) -> Tokens:
    """Tokens of an operand text. Raises ScanError at the first character that is none."""
    shape: list[str] = []
    texts: list[str] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "w":
            continue
        token = match.group()
        if kind in ("n", "s"):
            shape.append(kind)
        elif kind == "o":
            shape.append(token)
        elif kind == "l":
            shape.append(LONG_OPERATORS[token])
        elif kind == "a":
            shape.append(MODIFIER)
        elif kind == "q":
            shape.append(STRING)
        elif kind == "r":
            if shape and shape[-1] in "ns)":  # `x %y` is a remainder, `%r3` a register
                shape += ("%", NAME)
                texts += ("%", token[1:])
                continue
            shape.append(REGISTER)
        else:
            raise _bad_character(text, match.start())
        texts.append(token)
    return Tokens("".join(shape), tuple(texts))


def spans(text: str) -> list[tuple[int, int]]:
    """Column and width of each token of `scan(text)`; only messages need them."""
    found: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "w":
            continue
        if match.lastgroup == "r" and found and _ends_value(text, found[-1]):
            found += [(match.start(), 1), (match.start() + 1, match.end() - match.start() - 1)]
        else:
            found.append((match.start(), match.end() - match.start()))
    return found


def _ends_value(text: str, span: tuple[int, int]) -> bool:
    last = text[span[0] + span[1] - 1]
    return last.isalnum() or last in "_.$)'"


def _bad_character(text: str, column: int) -> ScanError:
    char = text[column]
    if char == '"':
        return ScanError(
            "a string must end on its line", column, len(text) - column, "no closing quote"
        )
    if char.isdigit():
        match = re.compile(r"[\w.$]+").match(text, column)
        width = match.end() - column if match else 1
        return ScanError(
            "a number is decimal, 0x hexadecimal, 0b binary or 0 octal",
            column, width, "not a number",
        )  # fmt: skip
    return ScanError(
        "no operand has this character in it", column, 1, f"character 0x{ord(char):02x}"
    )
