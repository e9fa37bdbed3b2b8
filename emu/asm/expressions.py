"""Values of expressions: 64-bit arithmetic over numbers, places and symbols.

Arithmetic is GNU as's: two's complement of 64 bits, comparisons yield -1 or 0, `&&` and `||` 1 or
0, `>>` shifts zeros in, `/` and `%` truncate. A place that has no address yet (or, in relocatable
output, never gets one here) is a base and an offset: such values can be added to and their
differences taken, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sections import Place
    from .symbols import Symbol

# Bound postfix code: numbers, places and symbols push themselves, strings are operators.
Code = tuple["int | str | Place | Symbol", ...]

WORD = 1 << 64
SIGN = 1 << 63


class Value(NamedTuple):
    """`number` bytes after `base`; base None: a plain number (signed, 64 bits)."""

    base: object | None
    number: int


class ExpressionError(Exception):
    """An expression without a value; the message states the rule, the label the value."""

    def __init__(self, message: str, label: str = "") -> None:
        super().__init__(message)
        self.message, self.label = message, label


class UndefinedError(ExpressionError):
    """A symbol that nothing defines, or (`yet`) that nothing has defined so far."""

    def __init__(self, symbol: Symbol, message: str, label: str) -> None:
        super().__init__(message, label)
        self.symbol = symbol


def wrap(number: int) -> int:
    """The same 64 bits as a signed number."""
    if -SIGN <= number < SIGN:
        return number
    return ((number + SIGN) & (WORD - 1)) - SIGN


def evaluate(code: Code, locate: Callable[[Place | Symbol], Value]) -> Value:
    """The value of bound postfix code; `locate` answers for places and symbols.

    Raises ExpressionError.
    """
    stack: list[Value] = []
    for item in code:
        if isinstance(item, int):
            stack.append(Value(None, item))
        elif not isinstance(item, str):
            stack.append(locate(item))
        elif item in _UNARY:
            value = stack.pop()
            if value.base is not None:
                raise _not_absolute(item)
            stack.append(Value(None, _UNARY[item](value.number)))
        else:
            right = stack.pop()
            stack.append(_binary(item, stack.pop(), right))
    return stack.pop()


def _binary(operator: str, left: Value, right: Value) -> Value:
    if operator == "+":
        if left.base is not None and right.base is not None:
            raise _not_absolute(operator)
        base = right.base if left.base is None else left.base
        return Value(base, wrap(left.number + right.number))
    if left.base is right.base:
        if left.base is None or operator in _COMPARISONS or operator == "-":
            return Value(None, _arithmetic(operator, left.number, right.number))
    elif operator == "-" and right.base is None:
        return Value(left.base, wrap(left.number - right.number))
    raise _not_absolute(operator)


def _not_absolute(operator: str) -> ExpressionError:
    names = {"neg": "-", "inv": "~", "not": "!", **_LONG}
    return ExpressionError(
        "an address that is not known yet can be added to or subtracted from, nothing else",
        f"`{names.get(operator, operator)}` needs plain numbers",
    )


def _arithmetic(operator: str, left: int, right: int) -> int:
    if operator in _COMPARISONS:
        return -1 if _COMPARISONS[operator](left, right) else 0
    if operator in "/%":
        if right == 0:
            raise ExpressionError("a divisor must not be 0", f"{left} {operator} 0")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return wrap(quotient if operator == "/" else left - right * quotient)
    if operator in "LR":
        if not 0 <= right < 64:
            return 0
        return wrap(left << right if operator == "L" else (left % WORD) >> right)
    return wrap(_PLAIN[operator](left, right))


_LONG = {"L": "<<", "R": ">>", "E": "==", "N": "!=", "{": "<=", "}": ">=", "A": "&&", "O": "||"}
_UNARY: dict[str, Callable[[int], int]] = {
    "neg": lambda value: wrap(-value),
    "inv": lambda value: ~value,
    "not": lambda value: int(value == 0),
}
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "E": lambda left, right: left == right,
    "N": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "{": lambda left, right: left <= right,
    "}": lambda left, right: left >= right,
}
_PLAIN: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "&": lambda left, right: left & right,
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
    "!": lambda left, right: left | ~right,
    "A": lambda left, right: int(left != 0 and right != 0),
    "O": lambda left, right: int(left != 0 or right != 0),
}
