"""Tokens of a litmus test's initial state and conditions, and the cursor that walks them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emu.explore.litmus.problems import Problem

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>-?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![A-Za-z0-9_]))"
    r"|(?P<name>[A-Za-z_.$][A-Za-z0-9_.$]*(?:-[A-Za-z0-9_]+)*)"
    r"|(?P<mark>/\\|\\/|=>|!=|<>|[=~:;,()\[\]{}*&])"
)

# A number wider than a register can hold is refused where it stands.
NUMBER_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True)
class Token:
    """A number, a name, a mark, or the end (empty text)."""

    kind: str
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"`{self.text}`" if self.text else "the end of the test"


class Unexpected(Exception):  # noqa: N818 - control flow inside one parser, never seen outside
    """The section cannot be read further; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def tokens_of(text: str, start: int, end: int) -> list[Token]:
    """Tokens of text[start:end], the last one being the end mark.

    Raises Unexpected at a character that begins no token.
    """
    found: list[Token] = []
    at = start
    while at < end:
        match = _TOKEN.match(text, at, end)
        if match is None:
            raise Unexpected(Problem(f"unexpected character {text[at]!r}", at, at + 1))
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), at, match.end()))
        at = match.end()
    found.append(Token("end", "", end, end))
    return found


class Cursor:
    """Walks tokens; every refusal names what was expected and what stands there."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._tokens = tokens_of(text, start, end)
        self._at = 0

    @property
    def here(self) -> Token:
        """The token not yet taken."""
        return self._tokens[self._at]

    def ahead(self, distance: int) -> Token:
        """The token `distance` places after `here`; the end mark beyond the last."""
        return self._tokens[min(self._at + distance, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Take the token, whatever it is; the end mark stays."""
        token = self.here
        if token.kind != "end":
            self._at += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take the token if it is one of these."""
        return self.take() if self.here.kind != "end" and self.here.text in texts else None

    def expect(self, text: str) -> Token:
        """Take this very token."""
        if self.here.text != text or self.here.kind == "end":
            raise self.refuse(f"`{text}`")
        return self.take()

    def name(self, what: str) -> Token:
        """Take a name."""
        if self.here.kind != "name":
            raise self.refuse(what)
        return self.take()

    def number(self, what: str, limit: int = NUMBER_LIMIT) -> int:
        """Take a number, which must lie between -limit/2 and limit - 1."""
        if self.here.kind != "number":
            raise self.refuse(what)
        token = self.take()
        if len(token.text) > 40:
            raise Unexpected(Problem(f"{what} is too long", token.start, token.end))
        value = int(token.text, 16 if "x" in token.text.lower() else 10)
        if not -limit // 2 <= value < limit:
            raise Unexpected(
                Problem(
                    f"{what} must be between {-limit // 2} and {limit - 1}, got {value}",
                    token.start,
                    token.end,
                ),
            )
        return value

    def refuse(self, wanted: str) -> Unexpected:
        """The exception for `here` not being what is wanted."""
        token = self.here
        return Unexpected(Problem(f"expected {wanted}, got {token}", token.start, token.end))
