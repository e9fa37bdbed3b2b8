"""Words to text, as `objdump -d -Mpower9` prints them.

Two things differ on purpose. An absolute branch target is printed with all of its 64 bits. A word
that no assembler makes (a reserved bit is set, or the form is invalid) is `.long`, even where
objdump names an instruction: so every text assembles to the word that it came from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .operands import Kind, Operand
from .table import decode_strict, printed_syntaxes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .syntax import Syntax

    SymbolOf = Callable[[int], str | None]
    """Answers the name of an address, such as `loop+0x8`, or None."""

CR_BITS = ("lt", "gt", "eq", "so")
BRANCH_TARGETS = (Kind.BRANCH_RELATIVE, Kind.BRANCH_ABSOLUTE)


def disassemble(word: int, address: int = 0, symbol_of: SymbolOf | None = None) -> str:
    """The instruction `word` at `address` as text; `.long 0x...` if it is none.

    A branch target is printed as an address, followed by `<name>` if `symbol_of` knows one.
    """
    found = reading(word)
    if found is None:
        return f".long {word:#x}"

    def target(operand: Operand, value: int) -> str:
        if operand.kind is Kind.BRANCH_RELATIVE:
            value += address
        value &= 0xFFFFFFFFFFFFFFFF
        name = symbol_of(value) if symbol_of else None
        return f"{value:x} <{name}>" if name else f"{value:#x}"

    return written_text(*found, target)


@lru_cache(maxsize=1 << 16)  # the words of a trace repeat themselves
def reading(word: int) -> tuple[Syntax, list[int]] | None:
    """The way to write `word` that objdump prefers, and its operand values; None if there is none.

    There is one exactly if `word` is the correct image of an instruction (table.decode_strict).
    """
    variant = decode_strict(word)
    if variant is None:
        return None
    readings = ((syntax, syntax.written(word)) for syntax in printed_syntaxes(variant))
    return next((syntax, values) for syntax, values in readings if values is not None)


def written_text(
    syntax: Syntax, values: Sequence[int], target: Callable[[Operand, int], str]
) -> str:
    """Mnemonic and operands; `target` spells the operands that are branch targets."""
    text = ""
    base_follows = False
    for operand, value in zip(syntax.operands, values, strict=True):
        is_target = operand.kind in BRANCH_TARGETS
        spelling = target(operand, value) if is_target else operand_text(operand, value)
        if base_follows:
            text += f"({spelling})"
        else:
            text += f",{spelling}" if text else spelling
        base_follows = operand.kind is Kind.DISPLACEMENT
    return f"{syntax.mnemonic:<7} {text}" if text else syntax.mnemonic


def operand_text(operand: Operand, value: int) -> str:
    """One operand value as text."""
    match operand.kind:
        case Kind.GPR:
            return "0" if operand.reads_zero and value == 0 else f"r{value}"
        case Kind.CRF:
            return f"cr{value}"
        case Kind.CRBIT:
            field, bit = divmod(value, 4)
            return f"4*cr{field}+{CR_BITS[bit]}" if field else CR_BITS[bit]
        case _:
            return str(value)
