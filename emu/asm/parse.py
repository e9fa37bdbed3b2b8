"""From tokens to operands, by the grammar in `grammar.lark`.

Works on shapes (`scan.py`): whatever its names and numbers, a line is parsed once for its shape.
An expression becomes postfix code over token indexes, so that nothing here or later recurses and
no depth of parentheses can exhaust a stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from . import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

# Postfix code: a token index pushes that token's value, a string is an operator (`neg`, `inv`,
# `not` are the unary ones).
Postfix = tuple[int | str, ...]

MAX_OPERAND_TOKENS = 2000  # of one operand; compilers stay below 20

_TERMINALS = {
    "n": "NUMBER", "s": "NAME", "r": "REGISTER", '"': "STRING", "@": "MODIFIER",
    "(": "LPAR", ")": "RPAR", ",": "COMMA", "=": "EQUALS", "+": "PLUS", "-": "MINUS",
    "~": "TILDE", "!": "BANG", "*": "STAR", "/": "SLASH", "%": "PERCENT", "L": "SHL", "R": "SHR",
    "|": "PIPE", "&": "AMP", "^": "CARET", "E": "EQ", "N": "NE", "<": "LT", "{": "LE", ">": "GT",
    "}": "GE", "A": "AND", "O": "OR",
}  # fmt: skip
_SPELLING = {
    **{name: f"`{kind}`" for kind, name in _TERMINALS.items()},
    **{_TERMINALS[kind]: f"`{text}`" for text, kind in scan.LONG_OPERATORS.items()},
    "NUMBER": "a number", "NAME": "a name", "REGISTER": "a register", "STRING": "a string",
    "MODIFIER": "`@l` or another modifier", "$END": "the end of the operand",
}  # fmt: skip
_UNARY = {"-": "neg", "~": "inv", "!": "not"}


class ParseError(Exception):
    """The operand does not follow the grammar; `token` indexes the statement's tokens."""

    def __init__(self, message: str, token: int, label: str) -> None:
        super().__init__(message)
        self.message, self.token, self.label = message, token, label


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand: `value`, `value@modifier`, `value(base)`.

    value, base: postfix code (base None: no parentheses after the value).
    modifier: index of the `@...` token, or -1. first, stop: the operand's tokens.
    """

    value: Postfix
    modifier: int
    base: Postfix | None
    first: int
    stop: int

    def shifted(self, count: int) -> Operand:
        """The same operand `count` tokens later."""
        return Operand(
            _shift(self.value, count),
            self.modifier + count if self.modifier >= 0 else -1,
            None if self.base is None else _shift(self.base, count),
            self.first + count,
            self.stop + count,
        )


@lru_cache(maxsize=8192)
def parse_operands(shape: str) -> tuple[Operand, ...]:
    """Operands of a statement whose tokens have this shape.

    Raises ParseError.
    """
    if not shape:
        return ()
    operands = []
    first = 0
    for stop in [*_top_level_commas(shape), len(shape)]:
        part = shape[first:stop]
        if not part:
            label = "nothing before this comma" if stop < len(shape) else "nothing after this comma"
            token = stop if stop < len(shape) else stop - 1
            raise ParseError("an operand is missing", token, label)
        try:
            operands.append(_parse_operand(part).shifted(first))
        except ParseError as error:
            raise ParseError(error.message, error.token + first, error.label) from None
        first = stop + 1
    return tuple(operands)


def _top_level_commas(shape: str) -> Iterator[int]:
    depth = 0
    for index, kind in enumerate(shape):
        if kind == "(":
            depth += 1
        elif kind == ")":
            depth -= 1
        elif kind == "," and depth <= 0:
            yield index


@lru_cache(maxsize=8192)
def _parse_operand(shape: str) -> Operand:
    if shape in ("n", "s", "r"):
        return Operand((0,), -1, None, 0, 1)
    if len(shape) > MAX_OPERAND_TOKENS:
        raise ParseError(
            f"an operand has at most {MAX_OPERAND_TOKENS} tokens", 0, f"{len(shape)} tokens"
        )
    try:
        operand: Operand = _lark().parse(shape)
    except UnexpectedInput as error:
        raise _explain(shape, error) from None
    return operand


def _explain(shape: str, error: UnexpectedInput) -> ParseError:
    """What Lark found, in the words of the language and not of the grammar."""
    if not isinstance(error, UnexpectedToken):
        raise error
    expected = sorted(_SPELLING[name] for name in error.accepts or () if name in _SPELLING)
    ended = error.token.type == "$END"
    token = len(shape) - 1 if ended else int(error.token)
    if "a number" in expected:
        wanted = "a value"
    elif shape.count("(") > shape.count(")") and "`)`" in expected:
        wanted = "`)`"
    else:
        wanted = "an operator or a comma"
    label = f"{wanted} must follow" if ended else f"{wanted} must stand here"
    return ParseError("this operand cannot be read", token, label)


def extent(code: Postfix) -> tuple[int, int]:
    """First and one past the last token of an expression."""
    tokens = [item for item in code if isinstance(item, int)]
    return min(tokens), max(tokens) + 1


class _ShapeLexer(Lexer):
    """Hands Lark the kinds of the tokens; each token's value is its index."""

    def __init__(self, _conf: object) -> None:
        pass

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        for index, kind in enumerate(data):
            yield Token(_TERMINALS[kind], str(index))


class _Postfix(Transformer[Token, Any]):
    """Grammar rules to postfix code and operands."""

    def __init__(self, kinds: dict[str, str]) -> None:
        super().__init__()
        self._kinds = kinds

    def leaf(self, children: list[Token]) -> Postfix:
        return (int(children[0]),)

    def inner(self, children: list[Any]) -> Postfix:
        code: Postfix = children[1]
        return code

    def unary(self, children: list[Any]) -> Postfix:
        operator, code = children
        name = _UNARY.get(self._kinds[operator.type])
        return (*code, name) if name else tuple(code)

    def binary(self, children: list[Any]) -> Postfix:
        left, operator, right = children
        return (*left, *right, self._kinds[operator.type])

    def bare(self, children: list[Any]) -> tuple[Postfix, int]:
        return children[0], -1

    def modified(self, children: list[Any]) -> tuple[Postfix, int]:
        return children[0], int(children[1])

    def modified_plus(self, children: list[Any]) -> tuple[Postfix, int]:
        return (*children[0], *children[3], "+"), int(children[1])

    def modified_minus(self, children: list[Any]) -> tuple[Postfix, int]:
        return (*children[0], *children[3], "-"), int(children[1])

    def plain(self, children: list[Any]) -> Operand:
        ((value, modifier),) = children
        return Operand(value, modifier, None, 0, 0)

    def based(self, children: list[Any]) -> Operand:
        (value, modifier), _, base, _ = children
        return Operand(value, modifier, base, 0, 0)

    def register(self, children: list[Token]) -> Operand:
        return Operand((int(children[0]),), -1, None, 0, 0)

    def based_register(self, children: list[Any]) -> Operand:
        (value, modifier), _, base, _ = children
        return Operand(value, modifier, (int(base),), 0, 0)


class _Parser:
    """The Lark parser with its start state, built at the first shape that needs it."""

    def __init__(self) -> None:
        self._lark = Lark.open(
            "grammar.lark",
            rel_to=__file__,
            parser="lalr",
            lexer=_ShapeLexer,
            start="operand",
            keep_all_tokens=True,
            transformer=_Postfix({name: kind for kind, name in _TERMINALS.items()}),
        )

    def parse(self, shape: str) -> Operand:
        operand: Any = self._lark.parse(shape)
        return Operand(operand.value, operand.modifier, operand.base, 0, len(shape))


@cache
def _lark() -> _Parser:
    return _Parser()


def _shift(code: Postfix, count: int) -> Postfix:
    return (
        tuple(item + count if isinstance(item, int) else item for item in code) if count else code
    )
