"""What every operation is: its code in the engine, the words that it touches, its answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

Ref: TypeAlias = int
"""The word that a search must see an operation touch: a field of this type is in `Op.refs`.

A field of type int that is a ref as well names a word of the actor's own, or one that never moves.
"""


WORD = (1 << 64) - 1


class OpCode(IntEnum):
    """As `emu_op_code` of csrc/engine.abi.h; a test compares the two."""

    READ = 0
    CHECK = 1
    WRITE = 2
    COPY = 3
    CAS = 4
    OR = 5
    OR_UNLESS = 6
    AND = 7
    ADD = 8
    SUM = 9
    MIN = 10
    GATHER = 11
    SCATTER = 12
    AWAIT = 13
    RUN = 14
    FETCH = 15
    INJECT = 16
    ADVANCE = 17
    RANDOM = 18
    PUT_CHARS = 19
    GET_CHARS = 20
    TRACE = 21
    RELAX = 22
    CALL = 23
    STOP = 24
    EXTRACT = 25
    DEPOSIT = 26
    COMPARE = 27
    SWAP = 28
    COUNT = 29
    ACCUMULATE = 30


class Coded(NamedTuple):
    """An operation as the engine takes it; see `emu_node`."""

    op: OpCode
    ref: int = 0
    ref2: int = 0
    a: int = 0
    b: int = 0
    entries: int = 0
    pool: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """What host code yields."""

    def coded(self) -> Coded:
        """Encode for the engine."""
        raise NotImplementedError

    def answer(self, raw: int) -> Any:  # noqa: ANN401 - each operation answers in its own type
        """Turn the engine's answer into what host code is sent."""
        return raw

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes: its fields of type Ref."""
        return tuple(getattr(self, field.name) for field in fields(self) if field.type == "Ref")


@dataclass(frozen=True, slots=True)
class Question(Op):
    """An operation that answers yes or no."""

    def answer(self, raw: int) -> bool:
        """Answer as a truth value."""
        return bool(raw)


HostCode: TypeAlias = Generator[Op, Any, T]
