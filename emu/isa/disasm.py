"""Words to text, as `objdump -d -Mpower9` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .operands import Kind, Operand
from .table import decode_strict, printed_syntaxes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .syntax import Syntax

    SymbolOf = Callable[[int], str | None]
    """Answers the name of an address, such as `loop+0x8`, or None."""

CR_BITS = ("lt", "gt", "eq", "so")


def disassemble(word: int, address: int = 0, symbol_of: SymbolOf | None = None) -> str:
    """The instruction `word` at `address` as text; `.long 0x...` if it is none.

    A branch target is printed as an address, followed by `<name>` if `symbol_of` knows one.
    """
    variant = decode_strict(word)
    if variant is None:
        return f".long {word:#x}"

    def target(operand: Operand, value: int) -> str:
        if operand.kind is Kind.BRANCH_RELATIVE:
            value += address
        value &= 0xFFFFFFFFFFFFFFFF
        name = symbol_of(value) if symbol_of else None
        return f"{value:x} <{name}>" if name else f"{value:#x}"

    for syntax in printed_syntaxes(variant):
        values = syntax.written(word)
        if values is not None:
            return written_text(syntax, values, target)
    raise AssertionError(f"{variant.mnemonic} has no syntax that writes {word:#x}")


def written_text(
    syntax: Syntax, values: Sequence[int], target: Callable[[Operand, int], str]
) -> str:
    """Mnemonic and operands; `target` spells the operands that are branch targets."""
    text = ""
    base_follows = False
    for operand, value in zip(syntax.operands, values, strict=True):
        is_branch = operand.kind in {Kind.BRANCH_RELATIVE, Kind.BRANCH_ABSOLUTE}
        spelling = target(operand, value) if is_branch else operand_text(operand, value)
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
