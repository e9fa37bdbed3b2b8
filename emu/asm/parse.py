"""From tokens to operands, by the grammar in `grammar.lark`.

Works on shapes (`scan.py`): whatever its names and numbers, a line is parsed once for its shape.
An expression becomes postfix code over token indexes, so that nothing here or later recurses and
no depth of parentheses can exhaust a stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Postfix code: a token index pushes that token's value, a string is an operator (`neg`, `inv`,
# `not` are the unary ones).
Postfix = tuple[int | str, ...]

MAX_OPERAND_TOKENS = 2000  # of one operand; compilers stay below 20


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
    operand = shortcut(shape)
    if operand is not None:
        return operand
    if len(shape) > MAX_OPERAND_TOKENS:
        raise ParseError(
            f"an operand has at most {MAX_OPERAND_TOKENS} tokens", 0, f"{len(shape)} tokens"
        )
    from .grammar import parse  # noqa: PLC0415  Lark takes as long as assembling a small guest

    return parse(shape)


def shortcut(shape: str) -> Operand | None:
    """The commonest operands, as the grammar has them; None for all others."""
    value, base, modifier = shape, None, -1
    if len(value) > 3 and value[-1] == ")" and value[-3] == "(" and value[-2] in "nsr":
        value, base = value[:-3], (len(value) - 2,)
    if len(value) > 1 and value[-1] == "@":
        value, modifier = value[:-1], len(value) - 1
    code = _SHORTCUTS.get(value)
    if value == "r" and modifier < 0 and base is None:
        code = (0,)
    return None if code is None else Operand(code, modifier, base, 0, len(shape))


_SHORTCUTS: dict[str, Postfix] = {
    "n": (0,), "s": (0,), "-n": (1, "neg"), "s+n": (0, 2, "+"), "s-n": (0, 2, "-"),
    "s-s": (0, 2, "-"), "n*s+s": (0, 2, "*", 4, "+"),
    "s+-n": (0, 3, "neg", "+"), "s-n-s": (0, 2, "-", 4, "-"),
}  # fmt: skip


def extent(code: Postfix) -> tuple[int, int]:
    """First and one past the last token of an expression."""
    tokens = [item for item in code if isinstance(item, int)]
    return min(tokens), max(tokens) + 1


def _shift(code: Postfix, count: int) -> Postfix:
    return (
        tuple(item + count if isinstance(item, int) else item for item in code) if count else code
    )
