"""The grammar of operands at work: Lark on token shapes.

Imported when the first shape comes that `parse.py` has no shortcut for; Lark takes a while.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from . import scan
from .parse import Operand, ParseError, Postfix

if TYPE_CHECKING:
    from collections.abc import Iterator

TERMINALS = {
    "n": "NUMBER", "s": "NAME", "r": "REGISTER", '"': "STRING", "@": "MODIFIER",
    "(": "LPAR", ")": "RPAR", ",": "COMMA", "=": "EQUALS", "+": "PLUS", "-": "MINUS",
    "~": "TILDE", "!": "BANG", "*": "STAR", "/": "SLASH", "%": "PERCENT", "L": "SHL", "R": "SHR",
    "|": "PIPE", "&": "AMP", "^": "CARET", "E": "EQ", "N": "NE", "<": "LT", "{": "LE", ">": "GT",
    "}": "GE", "A": "AND", "O": "OR",
}  # fmt: skip
_SPELLING = {
    **{name: f"`{kind}`" for kind, name in TERMINALS.items()},
    **{TERMINALS[kind]: f"`{text}`" for text, kind in scan.LONG_OPERATORS.items()},
    "NUMBER": "a number", "NAME": "a name", "REGISTER": "a register", "STRING": "a string",
    "MODIFIER": "`@l` or another modifier", "$END": "the end of the operand",
}  # fmt: skip
_UNARY = {"-": "neg", "~": "inv", "!": "not"}


def parse(shape: str) -> Operand:
    """The operand whose tokens have this shape. Raises ParseError."""
    try:
        return _parser().parse(shape)
    except UnexpectedInput as error:
        raise _explain(shape, error) from None


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


class _ShapeLexer(Lexer):
    """Hands Lark the kinds of the tokens; each token's value is its index."""

    def __init__(self, _conf: object) -> None:
        pass

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        for index, kind in enumerate(data):
            yield Token(TERMINALS[kind], str(index))


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
            transformer=_Postfix({name: kind for kind, name in TERMINALS.items()}),
        )

    def parse(self, shape: str) -> Operand:
        operand: Any = self._lark.parse(shape)
        return Operand(operand.value, operand.modifier, operand.base, 0, len(shape))


@cache
def _parser() -> _Parser:
    return _Parser()
