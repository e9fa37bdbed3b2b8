"""The instruction table: all chapters together, and the questions that others ask it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from . import branch, fixed_point, privileged, spr_mnemonics, storage
from .operands import OperandError
from .syntax import Syntax, syntaxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .instruction import Insn, Variant
    from .syntax import Alias

CHAPTERS = (branch, fixed_point, storage, privileged)

INSNS: tuple[Insn, ...] = tuple(row for chapter in CHAPTERS for row in chapter.INSNS)
"""Every row, in the book's order."""

VARIANTS: Mapping[str, Variant] = {v.mnemonic: v for row in INSNS for v in row.variants}
"""Every mnemonic that is an instruction of its own."""

ALIASES: tuple[tuple[str, Alias], ...] = tuple(
    pair for chapter in (*CHAPTERS, spr_mnemonics) for pair in chapter.ALIASES
)
"""Every extended mnemonic with what it stands for; one mnemonic may stand in several pairs."""


def _by_mnemonic() -> dict[str, list[Alias]]:
    aliases: dict[str, list[Alias]] = {}
    for mnemonic, alias in ALIASES:
        aliases.setdefault(mnemonic, []).append(alias)
    return aliases


_ALIASES_OF_MNEMONIC = _by_mnemonic()

MNEMONICS: frozenset[str] = frozenset(VARIANTS) | frozenset(_ALIASES_OF_MNEMONIC)
"""Everything that may stand where a mnemonic does."""


@cache
def candidates(mnemonic: str) -> tuple[Syntax, ...]:
    """The ways to write `mnemonic`; empty if there is no such mnemonic.

    They differ in the number of operands (cmpw with and without BF) or in what those may be
    (mtcrf with a mask of one bit is mtocrf); encode() takes the first that fits.
    """
    found: list[Syntax] = []
    for alias in _ALIASES_OF_MNEMONIC.get(mnemonic, ()):
        found += _alias_syntaxes(mnemonic, alias)
    if mnemonic in VARIANTS:
        found += _own_syntaxes(VARIANTS[mnemonic])
    return tuple(found)


def _alias_syntaxes(mnemonic: str, alias: Alias) -> list[Syntax]:
    base, _, values = alias.base.partition(" ")
    variant = VARIANTS[base]
    return list(syntaxes(mnemonic, alias.operands, variant, values))


def _own_syntaxes(variant: Variant) -> list[Syntax]:
    operands = variant.insn.syntax.partition(" ")[2]
    return list(syntaxes(variant.mnemonic, operands, variant))


@cache
def printed_syntaxes(variant: Variant) -> tuple[Syntax, ...]:
    """The ways to write `variant` that the disassembler tries, in this order."""
    found: list[Syntax] = []
    for mnemonic, alias in _PRINTED_ALIASES_OF_BASE.get(variant.mnemonic, ()):
        found += _alias_syntaxes(mnemonic, alias)
    return (*found, *_own_syntaxes(variant))


def _by_base() -> dict[str, list[tuple[str, Alias]]]:
    aliases: dict[str, list[tuple[str, Alias]]] = {}
    for mnemonic, alias in ALIASES:
        if alias.printed:
            aliases.setdefault(alias.base.partition(" ")[0], []).append((mnemonic, alias))
    return aliases


_PRINTED_ALIASES_OF_BASE = _by_base()


def encode(mnemonic: str, operands: Sequence[int]) -> int:
    """The word for `mnemonic` with these operand values, in written order.

    A register is its number, a CR bit 0..31, a relative branch target its distance in bytes.
    Raises OperandError: no such mnemonic, a wrong number of operands, one that does not fit.
    """
    ways = candidates(mnemonic)
    error: OperandError | None = None
    for syntax in ways:
        if len(syntax.operands) == len(operands):
            try:
                return syntax.encode(operands)
            except OperandError as misfit:
                error = error or misfit
    if error is not None:
        raise error
    if not ways:
        raise OperandError(f"there is no instruction {mnemonic}")
    counts = " or ".join(str(n) for n in sorted({len(syntax.operands) for syntax in ways}))
    raise OperandError(f"{mnemonic} takes {counts} operands, got {len(operands)}")


def _decoder() -> list[list[tuple[int, dict[int, Variant]]]]:
    """Lookup tables by primary opcode: (mask, match -> variant) pairs, to be tried in turn."""
    tables: list[dict[int, dict[int, Variant]]] = [{} for _ in range(64)]
    for variant in VARIANTS.values():
        matches = tables[variant.match >> 26].setdefault(variant.opcode_mask, {})
        matches[variant.match & variant.opcode_mask] = variant
    return [list(table.items()) for table in tables]


_BY_OPCODE = _decoder()


def decode(word: int) -> Variant | None:
    """What execution makes of `word`: reserved bits and invalid forms do not matter to it."""
    for mask, matches in _BY_OPCODE[word >> 26]:
        variant = matches.get(word & mask)
        if variant is not None:
            return variant
    return None


def decode_strict(word: int) -> Variant | None:
    """The instruction of which `word` is a correct image: reserved bits 0, no invalid form."""
    variant = decode(word)
    if variant is None or word & variant.mask != variant.match or not variant.is_valid(word):
        return None
    return variant
