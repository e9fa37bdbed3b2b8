"""Conditions as postfix programs for the search in C, which judges them in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.core._emu import lib
from emu.explore.litmus.model import (
    Address,
    And,
    CellType,
    Condition,
    Equal,
    Implies,
    Location,
    Nonzero,
    Not,
    Observable,
    Or,
    Register,
    Truth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emu.explore.litmus.guest import Guest

Program = list[tuple[int, int, int]]  # (operation, index of a shown value, number)


def compile_condition(guest: Guest, condition: Condition, shown: Sequence[Observable]) -> Program:
    """The condition over the raw values of what is shown, which must name all its observables."""
    match condition:
        case Truth(value=value):
            return [(lib.EMU_JUDGE_TRUE if value else lib.EMU_JUDGE_FALSE, 0, 0)]
        case Equal(left=left):
            index = shown.index(left)
            return _joined(
                [[(lib.EMU_JUDGE_EQUAL, index, raw)] for raw in _raw_values(guest, condition)],
                lib.EMU_JUDGE_OR,
            )
        case Nonzero(left=ghost):
            index = shown.index(ghost)
            return [(lib.EMU_JUDGE_EQUAL, index, 0), (lib.EMU_JUDGE_NOT, 0, 0)]
        case Not(of=of):
            return [*compile_condition(guest, of, shown), (lib.EMU_JUDGE_NOT, 0, 0)]
        case And(parts=parts):
            return _joined([compile_condition(guest, p, shown) for p in parts], lib.EMU_JUDGE_AND)
        case Or(parts=parts):
            return _joined([compile_condition(guest, p, shown) for p in parts], lib.EMU_JUDGE_OR)
        case Implies(left=left_part, right=right_part):
            return compile_condition(guest, Or((Not(left_part), right_part)), shown)


def _joined(programs: list[Program], operation: int) -> Program:
    """Several programs, their values joined two by two."""
    code = list(programs[0])
    for program in programs[1:]:
        code += [*program, (operation, 0, 0)]
    return code


def _raw_values(guest: Guest, condition: Equal) -> list[int]:
    """The words that are shown as the value."""
    left, right = condition.left, condition.right
    if isinstance(right, Address):
        return [guest.addresses[right.name]]
    kind = guest.types.get(left, CellType.INT)
    if isinstance(left, Location):
        return [right & ((1 << 8 * kind.nbytes) - 1)]
    wide = right & ((1 << 64) - 1)
    if isinstance(left, Register) and kind is CellType.INT:
        return sorted({wide, right & 0xFFFFFFFF} if -(1 << 31) <= right < 1 << 31 else {wide})
    return [wide]
