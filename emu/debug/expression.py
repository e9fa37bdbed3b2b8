"""Expressions of the debugger: numbers, registers of any thread, symbols, memory.

    v1.r3 + 8        *counter        u32(r4)        msr.EE && v0.dpdes        $1

C's operators with C's precedence, on unsigned 64-bit numbers; `*` and u8 u16 u32 u64 read memory,
s8 s16 s32 s64 read it with its sign. Knows nothing of machines: a Scope supplies names and
memory. Whatever the text, the answer is a number or an ExpressionError.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from emu.errors import EmuError

if TYPE_CHECKING:
    from collections.abc import Callable

WORD: Final = (1 << 64) - 1
MAX_TOKENS: Final = 256
MAX_DEPTH: Final = 32


class ExpressionError(EmuError):
    """An expression that cannot be read or evaluated."""


class UnknownNameError(ExpressionError):
    """A name in an expression that nothing has, now or later."""


class Scope(Protocol):
    """Where an expression's names and memory come from."""

    def name(self, text: str) -> int:
        """Value of a register, hypervisor field or symbol. Raises ExpressionError."""

    def line(self, file: str, number: int) -> int:
        """Address of a source line. Raises ExpressionError."""

    def memory(self, address: int, nbytes: int) -> int:
        """Unsigned value of 1, 2, 4 or 8 bytes. Raises ExpressionError."""

    def result(self, back: int | None) -> int:
        """Value of $N, or of the last one for None. Raises ExpressionError."""


_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*(?![A-Za-z.]))"
    r"|(?P<line>@?[\w./+-]*\.[A-Za-z]+:[0-9]+)"
    r"|(?P<result>\$[0-9]*(?![\w]))"
    r"|(?P<name>\$?[A-Za-z_.][\w.$]*(?:\[[0-9]+\])?|[0-9]+[bf](?![\w]))"
    r"|(?P<char>'(?:[^'\\]|\\.)')"
    r"|(?P<operator>\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>()])"
    r")"
)

_BINARY: Final[dict[str, tuple[int, Callable[[int, int], int]]]] = {
    "||": (1, lambda a, b: int(bool(a or b))),
    "&&": (2, lambda a, b: int(bool(a and b))),
    "|": (3, operator.or_),
    "^": (4, operator.xor),
    "&": (5, operator.and_),
    "==": (6, lambda a, b: int(a == b)),
    "!=": (6, lambda a, b: int(a != b)),
    "<": (7, lambda a, b: int(a < b)),
    "<=": (7, lambda a, b: int(a <= b)),
    ">": (7, lambda a, b: int(a > b)),
    ">=": (7, lambda a, b: int(a >= b)),
    "<<": (8, lambda a, b: a << b if b < 64 else 0),
    ">>": (8, lambda a, b: a >> b if b < 64 else 0),
    "+": (9, operator.add),
    "-": (9, operator.sub),
    "*": (10, operator.mul),
    "/": (10, operator.floordiv),
    "%": (10, operator.mod),
}
_LOADS: Final = {f"{sign}{bits}": (sign, bits // 8) for sign in "us" for bits in (8, 16, 32, 64)}


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: int

    def evaluate(self, scope: Scope) -> int:
        """Its value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Name:
    """A register, field or symbol."""

    text: str

    def evaluate(self, scope: Scope) -> int:
        """Its value now."""
        return scope.name(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    """A source line: its first instruction."""

    file: str
    number: int

    def evaluate(self, scope: Scope) -> int:
        """Its address."""
        return scope.line(self.file, self.number)


@dataclass(frozen=True, slots=True)
class Result:
    """What was printed before: $, $1, $2."""

    back: int | None

    def evaluate(self, scope: Scope) -> int:
        """Its value."""
        return scope.result(self.back)


@dataclass(frozen=True, slots=True)
class Load:
    """Memory, with its sign or without."""

    sign: str
    nbytes: int
    address: Expression

    def evaluate(self, scope: Scope) -> int:
        """Its value now."""
        value = scope.memory(self.address.evaluate(scope), self.nbytes)
        top = 1 << (8 * self.nbytes - 1)
        return ((value ^ top) - top) & WORD if self.sign == "s" else value


@dataclass(frozen=True, slots=True)
class Unary:
    """An operator in front."""

    operator: str
    operand: Expression

    def evaluate(self, scope: Scope) -> int:
        """Its value now."""
        value = self.operand.evaluate(scope)
        if self.operator == "!":
            return int(not value)
        return (-value if self.operator == "-" else ~value) & WORD


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two."""

    operator: str
    left: Expression
    right: Expression

    def evaluate(self, scope: Scope) -> int:
        """Its value now; && and || look at the right side only where C does."""
        left = self.left.evaluate(scope)
        if (self.operator == "&&" and not left) or (self.operator == "||" and left):
            return int(bool(left))
        right = self.right.evaluate(scope)
        if self.operator in "/%" and not right:
            raise ExpressionError("a divisor must not be 0")
        return _BINARY[self.operator][1](left, right) & WORD


Expression = Number | Name | Line | Result | Load | Unary | Binary


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        if not self.tokens:
            raise ExpressionError("an expression must not be empty")
        tree = self.binary(0)
        if self.at < len(self.tokens):
            raise ExpressionError(f"unexpected {self.tokens[self.at][1]!r} in {_short(self.text)}")
        return tree

    def binary(self, level: int) -> Expression:
        left = self.unary()
        while (found := _BINARY.get(self.operator())) is not None and found[0] > level:
            sign = self.take()[1]
            left = Binary(sign, left, self.binary(found[0]))
        return left

    def unary(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"an expression must not be nested deeper than {MAX_DEPTH}")
        try:
            sign = self.operator()
            if sign in ("-", "~", "!", "+", "*", "&"):
                self.take()
                operand = self.unary()
                if sign == "*":
                    return Load("u", 8, operand)
                return operand if sign in ("+", "&") else Unary(sign, operand)
            return self.primary()
        finally:
            self.depth -= 1

    def primary(self) -> Expression:
        kind, text = self.take()
        if kind == "number":
            value = _number(text)
            return Number(value)
        if kind == "char":
            return Number(ord(text[1:-1].encode("ascii", "replace").decode("unicode_escape")))
        if kind == "line":
            file, _, number = text.lstrip("@").rpartition(":")
            return Line(file, int(number))
        if kind == "result":
            return Result(int(text[1:]) if len(text) > 1 else None)
        if kind == "name" and self.operator() == "(":
            if text not in _LOADS:
                raise ExpressionError(f"a function is one of {', '.join(_LOADS)}, got {text!r}")
            return Load(*_LOADS[text], self.group())
        if kind == "name":
            return Name(text)
        if text == "(":
            self.at -= 1
            return self.group()
        raise ExpressionError(f"unexpected {text!r} in {_short(self.text)}")

    def group(self) -> Expression:
        self.take()
        inner = self.binary(0)
        if self.operator() != ")":
            raise ExpressionError(f"`)` is missing in {_short(self.text)}")
        self.take()
        return inner

    def operator(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "operator":
            return self.tokens[self.at][1]
        return ""

    def take(self) -> tuple[str, str]:
        if self.at == len(self.tokens):
            raise ExpressionError(f"something is missing at the end of {_short(self.text)}")
        self.at += 1
        return self.tokens[self.at - 1]


def _number(text: str) -> int:
    digits = text.replace("_", "")
    try:
        value = int(digits, 10) if digits.isdecimal() else int(digits, 0)
    except ValueError:
        value = WORD + 1
    if value > WORD:
        raise ExpressionError(f"a number must be 0 to 2^64-1, got {_short(text)}")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"cannot read {_short(text[at:].strip())}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
        if len(tokens) > MAX_TOKENS:
            raise ExpressionError(f"an expression has at most {MAX_TOKENS} parts")
    return tokens


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def parse(text: str) -> Expression:
    """Read an expression. Raises ExpressionError."""
    return _Parser(text).whole()
