"""Conditions: reading them from tokens, and judging them over the values of an end state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.explore.litmus.model import (
    Address,
    And,
    Condition,
    Equal,
    Ghost,
    GhostKind,
    Implies,
    Location,
    Nonzero,
    Not,
    Observable,
    Or,
    Register,
    Truth,
    Value,
)
from emu.explore.litmus.problems import LitmusError, Problem
from emu.explore.litmus.tokens import Cursor, Token, Unexpected

if TYPE_CHECKING:
    from collections.abc import Mapping

# Conditions are judged by recursion; a test nested deeper than this is not one a person wrote.
MAX_DEPTH = 100
MAX_THREADS = 8

_SPECIAL = {"cr", "lr", "ctr", "xer", "msr"}


def read_condition(cursor: Cursor, depth: int = 0) -> Condition:
    r"""A condition: `not` binds tightest, then /\, then \/, then =>."""
    left = _disjunction(cursor, depth)
    if cursor.accept("=>"):
        _check_depth(cursor, depth)
        return Implies(left, read_condition(cursor, depth + 1))
    return left


def parse_condition(text: str, name: str = "<condition>") -> Condition:
    """A condition that stands alone. Raises LitmusError."""
    try:
        cursor = Cursor(text, 0, len(text))
        condition = read_condition(cursor)
        if cursor.here.kind != "end":
            raise cursor.refuse("the end of the condition")
    except Unexpected as stop:
        raise LitmusError(name, text, [stop.problem]) from None
    return condition


def _disjunction(cursor: Cursor, depth: int) -> Condition:
    parts = [_conjunction(cursor, depth)]
    while cursor.accept("\\/"):
        parts.append(_conjunction(cursor, depth))
    return parts[0] if len(parts) == 1 else Or(tuple(_flat(parts, Or)))


def _conjunction(cursor: Cursor, depth: int) -> Condition:
    parts = [_negation(cursor, depth)]
    while cursor.accept("/\\"):
        parts.append(_negation(cursor, depth))
    return parts[0] if len(parts) == 1 else And(tuple(_flat(parts, And)))


def _flat(parts: list[Condition], kind: type[And | Or]) -> list[Condition]:
    """Nested parts of the same kind, side by side."""
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else [part])
    return flat


def _negation(cursor: Cursor, depth: int) -> Condition:
    if cursor.accept("not", "~"):
        _check_depth(cursor, depth)
        return Not(_negation(cursor, depth + 1))
    if cursor.accept("("):
        _check_depth(cursor, depth)
        inner = read_condition(cursor, depth + 1)
        cursor.expect(")")
        return inner
    for text, value in (("true", True), ("false", False)):
        if cursor.here.text == text and cursor.ahead(1).text not in ("=", "!=", "<>"):
            cursor.take()
            return Truth(value)
    left = read_observable(cursor)
    if cursor.accept("="):
        return Equal(left, read_value(cursor))
    if cursor.accept("!=", "<>"):
        return Not(Equal(left, read_value(cursor)))
    if isinstance(left, Ghost):
        return Nonzero(left)
    raise cursor.refuse("`=`")


def _check_depth(cursor: Cursor, depth: int) -> None:
    if depth >= MAX_DEPTH:
        here = cursor.here
        message = f"a condition nests at most {MAX_DEPTH} deep"
        raise Unexpected(Problem(message, here.start, here.end))


def read_observable(cursor: Cursor) -> Observable:
    """`0:r5`, `P0:r5`, `x`, `[x]`, or a ghost such as `taken(0)`."""
    if cursor.accept("["):
        name = cursor.name("the name of a location")
        cursor.expect("]")
        return Location(name.text)
    if cursor.here.kind == "number" or cursor.ahead(1).text == ":":
        return read_register(cursor)
    name = cursor.name("a register, a location or a ghost")
    if cursor.here.text == "(":
        return _ghost(cursor, name)
    return Location(name.text)


def read_register(cursor: Cursor) -> Register:
    """`0:r5` or `P0:r5`."""
    thread = read_thread(cursor)
    cursor.expect(":")
    token = cursor.name("a register")
    return Register(thread, register_name(token))


def read_thread(cursor: Cursor) -> int:
    """A thread: a number, or `P` and a number."""
    token = cursor.here
    if token.kind == "name" and token.text[:1] == "P" and token.text[1:].isdigit():
        cursor.take()
        thread = int(token.text[1:4])
    else:
        thread = cursor.number("the number of a thread")
    if not 0 <= thread < MAX_THREADS:
        message = f"a thread must be between 0 and {MAX_THREADS - 1}, got {token.text}"
        raise Unexpected(Problem(message, token.start, token.end))
    return thread


def register_name(token: Token) -> str:
    """The register's name in lower case; refuses what is none."""
    name = token.text.lower()
    if name in _SPECIAL or (
        name[:1] == "r" and name[1:].isdigit() and int(name[1:3]) < 32 and len(name) <= 3
    ):
        return name
    message = f"no such register: {token.text}"
    raise Unexpected(Problem(message, token.start, token.end, help="r0 to r31, cr, lr, ctr, xer"))


def _ghost(cursor: Cursor, name: Token) -> Ghost:
    try:
        kind = GhostKind(name.text)
    except ValueError:
        known = ", ".join(GhostKind)
        message = f"{name} cannot be asked about a thread: the words are {known}"
        raise Unexpected(Problem(message, name.start, name.end)) from None
    cursor.expect("(")
    thread = read_thread(cursor)
    vector = 0
    if kind is GhostKind.TRAP:
        cursor.expect(",")
        vector = cursor.number("an interrupt vector", 0x2000)
    cursor.expect(")")
    return Ghost(kind, thread, vector)


def read_value(cursor: Cursor) -> Value:
    """A number, or the name of a location for its address."""
    if cursor.here.kind == "number":
        return cursor.number("a value")
    cursor.accept("&")
    return Address(cursor.name("a value").text)


def holds(condition: Condition, state: Mapping[Observable, Value]) -> bool:
    """Whether the condition is true of an end state, which must name all its observables."""
    match condition:
        case Truth(value=value):
            return value
        case Equal(left=left, right=right):
            return state[left] == right
        case Nonzero(left=ghost):
            return state[ghost] != 0
        case Not(of=of):
            return not holds(of, state)
        case And(parts=parts):
            return all(holds(part, state) for part in parts)
        case Or(parts=parts):
            return any(holds(part, state) for part in parts)
        case Implies(left=left_part, right=right_part):
            return not holds(left_part, state) or holds(right_part, state)
