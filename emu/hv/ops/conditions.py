"""What may hold of one word, for an operation to look at."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from emu.hv.ops.op import WORD


class ConditionKind(IntEnum):
    """As `emu_cond_kind` of csrc/engine.abi.h; a test compares the two."""

    ANY = 0
    NONE = 1
    EQUAL = 2
    AT_LEAST = 3
    PAST = 4
    ALL_OUT = 5


class Condition(NamedTuple):
    """Something that holds or does not hold of one word."""

    kind: ConditionKind
    ref: int
    mask: int = WORD
    value: int = 0


def nonzero(ref: int, mask: int = WORD) -> Condition:
    """Any bit of the word under the mask is 1."""
    return Condition(ConditionKind.ANY, ref, mask)


def zero(ref: int, mask: int = WORD) -> Condition:
    """All bits of the word under the mask are 0."""
    return Condition(ConditionKind.NONE, ref, mask)


def equal(ref: int, value: int, mask: int = WORD) -> Condition:
    """The word under the mask has this value."""
    return Condition(ConditionKind.EQUAL, ref, mask, value)


def at_least(ref: int, value: int, mask: int = WORD) -> Condition:
    """The word under the mask has this unsigned value or a larger one."""
    return Condition(ConditionKind.AT_LEAST, ref, mask, value)


def past(ref: int) -> Condition:
    """The timebase has reached the word."""
    return Condition(ConditionKind.PAST, ref)


def all_out(ref: int) -> Condition:
    """Every thread that entered has exited: the word's two low bytes are equal."""
    return Condition(ConditionKind.ALL_OUT, ref)
