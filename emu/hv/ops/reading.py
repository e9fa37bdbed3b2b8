"""Operations that look at words, or wait until they are as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.hv.ops.op import WORD, Coded, Op, OpCode, Question, Ref

if TYPE_CHECKING:
    from emu.hv.ops.conditions import Condition


@dataclass(frozen=True, slots=True)
class Read(Op):
    """Answers bits first:last of a word, no more than `limit`."""

    ref: Ref
    first: int = 0
    last: int = 63
    limit: int = WORD

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        return Coded(OpCode.READ, self.ref, 63 - self.last, mask, self.limit)


@dataclass(frozen=True, slots=True)
class OneOf(Op):
    """Answers bits first:last of a word if they are one of `values`, else None."""

    ref: Ref
    values: tuple[int, ...]
    first: int = 0
    last: int = 63

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        n = len(self.values)
        return Coded(OpCode.READ, self.ref, 63 - self.last, mask, 0, n, self.values)

    def answer(self, raw: int) -> int | None:
        """Give the value at the position that the engine found."""
        return self.values[raw] if raw < len(self.values) else None


@dataclass(frozen=True, slots=True)
class Check(Question):
    """Answers whether a condition holds now."""

    condition: Condition

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.CHECK, entries=1, pool=self.condition)

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes."""
        return (self.condition.ref,)


@dataclass(frozen=True, slots=True, init=False)
class Await(Op):
    """Waits until a condition holds, or until the time in the word `deadline`.

    Answers the position of the first condition that holds, or None when it was the time. It is
    the one operation that may look at several shared words: what it saw is only a reason to look
    again.
    """

    conditions: tuple[Condition, ...]
    deadline: int

    def __init__(self, *conditions: Condition, deadline: int = 0) -> None:
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "deadline", deadline)

    def coded(self) -> Coded:
        """Encode for the engine."""
        pool = tuple(word for condition in self.conditions for word in condition)
        return Coded(OpCode.AWAIT, self.deadline, entries=len(self.conditions), pool=pool)

    def answer(self, raw: int) -> int | None:
        """Tell a condition from the deadline."""
        return raw if raw < len(self.conditions) else None

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes."""
        return tuple(condition.ref for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Compare(Op):
    """Answers -1, 0 or 1: a word is less than, equal to or greater than another (unsigned)."""

    left: Ref
    right: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.COMPARE, self.left, self.right)

    def answer(self, raw: int) -> int:
        """Give the order as the sign of left - right."""
        return raw - 1
