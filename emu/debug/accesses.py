"""Which storage an instruction is about to access: for watchpoints on reads and writes.

Derived from the instruction table: its rows say how many bytes, the operands say where.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.isa.instruction import VARIES
from emu.isa.operands import Kind
from emu.isa.table import VARIANTS, decode

if TYPE_CHECKING:
    from collections.abc import Callable

WORD: Final = (1 << 64) - 1
BLOCK: Final = 128
XER_LENGTH: Final = 0x7F


class Access(NamedTuple):
    """Bytes that an instruction reads, or (store) writes."""

    address: int
    nbytes: int
    store: bool


@cache
def words(*, loads: bool, stores: bool) -> tuple[tuple[int, int], ...]:
    """(mask, match) of every instruction that loads, or that stores."""
    return tuple(
        sorted(
            {
                (variant.opcode_mask, variant.match & variant.opcode_mask)
                for variant in VARIANTS.values()
                if (loads and variant.insn.load) or (stores and variant.insn.store)
            }
        )
    )


def access(word: int, gpr: Callable[[int], int], xer: int) -> Access | None:
    """Work out what an instruction is about to access; None: nothing.

    gpr: value of a GPR by its number.
    """
    variant = decode(word)
    if variant is None or not (variant.insn.load or variant.insn.store):
        return None
    address = 0
    values: dict[str, int] = {}
    for operand in variant.operands:
        value = operand.extract(word)
        values[operand.name] = value
        if operand.kind is Kind.DISPLACEMENT:
            address += value
        elif operand.name == "RB" or (
            operand.name == "RA" and not (operand.reads_zero and value == 0)
        ):
            address += gpr(value)
    nbytes = variant.insn.load or variant.insn.store
    if nbytes == VARIES:
        if "NB" in values:
            nbytes = values["NB"]
        elif "RB" in values:
            nbytes = xer & XER_LENGTH
        else:
            nbytes = 4 * (32 - values.get("RT", values.get("RS", 31)))
    if nbytes == BLOCK:
        address &= -BLOCK
    return Access(address & WORD, nbytes, bool(variant.insn.store))
