"""Random operands and words, derived from the instruction table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.isa.disasm import written_text
from emu.isa.operands import Kind, Operand, OperandError
from emu.isa.table import VARIANTS, encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from emu.isa.syntax import Syntax


def value(rng: Random, operand: Operand) -> int:
    """A value that `operand` can hold; the ends of its range are likely."""
    if operand.kind is Kind.MASK:
        ones = (1 << rng.randint(1, 32)) - 1
        rotation = rng.randrange(32)
        return (ones << rotation | ones >> (32 - rotation)) & 0xFFFFFFFF
    if operand.name == "FXM" and rng.random() < 0.5:
        return 1 << rng.randrange(8)
    ends = operand.lo, operand.hi
    if rng.random() < 0.2:
        return rng.choice(ends)
    return rng.randint(*(end // operand.multiple for end in ends)) * operand.multiple


def written(rng: Random, syntax: Syntax) -> tuple[list[int], int] | None:
    """Operand values for `syntax` and the word they give; None if there is none."""
    for _ in range(1000):
        values = [value(rng, operand) for operand in syntax.operands]
        try:
            return values, encode(syntax.mnemonic, values)
        except OperandError:
            continue  # an invalid form, such as lwzu with RA = 0: try others
    return None


def line(syntax: Syntax, values: Sequence[int]) -> str:
    """`syntax` with these values as GNU as takes it; a relative branch is written `.+8`."""
    return written_text(syntax, values, _target)


def _target(operand: Operand, value: int) -> str:
    return f".{value:+d}" if operand.kind is Kind.BRANCH_RELATIVE else str(value)


def words(rng: Random, count: int) -> list[int]:
    """`count` words for each variant, with random bits wherever it does not fix them."""
    return [
        variant.match | (rng.getrandbits(32) & ~variant.mask)
        for variant in VARIANTS.values()
        for _ in range(count)
    ]
