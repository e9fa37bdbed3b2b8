"""The register save and restore functions that compilers call and linkers provide.

Source: 64-bit ELF V2 ABI for Power, 2.3.3 Register Save and Restore Functions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .state import State

_NAME = re.compile(r"_(save|rest)gpr([01])_(1[4-9]|2[0-9]|3[01])")
LR_SAVE = 16  # from the stack pointer


def millicode(state: State) -> str:
    """Source text of the functions that a program uses and does not define, in `.sfpr`."""
    used = sorted(
        match.group()
        for name, symbol in state.symbols.items()
        if symbol.value is None and symbol.common is None and (match := _NAME.fullmatch(name))
    )
    if not used:
        return ""
    lines = ['.section .sfpr,"ax",@progbits', ".p2align 2"]
    for kind, low, high, function in FAMILIES:
        registers = [int(n[-2:]) for n in used if n.startswith(kind) and low <= int(n[-2:]) <= high]
        if registers:
            lines += function(kind, min(registers))
    return "\n".join(lines) + "\n"


def _save0(kind: str, first: int) -> list[str]:
    return [*_entries(kind, first, 31, "std", 1), f"std 0,{LR_SAVE}(1)", "blr"]


def _restore0(kind: str, first: int) -> list[str]:
    """Up to r29; the link register is loaded early, so that it has arrived when it is moved."""
    lines = _entries(kind, first, 28, "ld", 1)
    lines += [f"{kind}29:", f"ld 0,{LR_SAVE}(1)", "ld 29,-24(1)", "mtlr 0"]
    return [*lines, "ld 30,-16(1)", "ld 31,-8(1)", "blr"]


def _restore0_last(kind: str, first: int) -> list[str]:
    lines = _entries(kind, first, 30, "ld", 1)
    return [*lines, f"{kind}31:", f"ld 0,{LR_SAVE}(1)", "ld 31,-8(1)", "mtlr 0", "blr"]


def _save1(kind: str, first: int) -> list[str]:
    return [*_entries(kind, first, 31, "std", 12), "blr"]


def _restore1(kind: str, first: int) -> list[str]:
    return [*_entries(kind, first, 31, "ld", 12), "blr"]


def _entries(kind: str, first: int, last: int, operation: str, base: int) -> list[str]:
    """Each register's entry falls through to the next."""
    lines = []
    for register in range(first, last + 1):
        lines += [f"{kind}{register}:", f"{operation} {register},{-8 * (32 - register)}({base})"]
    return lines


# Families in the order of the code; each begins at the lowest register that is asked for.
FAMILIES = (
    ("_savegpr0_", 14, 31, _save0),
    ("_restgpr0_", 14, 29, _restore0),
    ("_restgpr0_", 30, 31, _restore0_last),
    ("_savegpr1_", 14, 31, _save1),
    ("_restgpr1_", 14, 31, _restore1),
)
