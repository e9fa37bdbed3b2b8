"""What `@l`, `@ha`, `@toc@l` and their like mean.

The halves are the 64-bit ELF ABI's: l, h, higher and highest are the four 16-bit parts of a value;
the `a` forms are adjusted for a low part that is added as a signed number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HALVES: Mapping[str, Callable[[int], int]] = {
    "l": lambda value: value & 0xFFFF,
    "h": lambda value: value >> 16 & 0xFFFF,
    "ha": lambda value: value + 0x8000 >> 16 & 0xFFFF,
    "high": lambda value: value >> 16 & 0xFFFF,
    "higha": lambda value: value + 0x8000 >> 16 & 0xFFFF,
    "higher": lambda value: value >> 32 & 0xFFFF,
    "highera": lambda value: value + 0x8000 >> 32 & 0xFFFF,
    "highest": lambda value: value >> 48 & 0xFFFF,
    "highesta": lambda value: value + 0x8000 >> 48 & 0xFFFF,
}
# Relative to the TOC pointer, and the address (relative to it) of a slot that holds the value.
TOC: Mapping[str, str] = {"toc": "", "toc@l": "l", "toc@h": "h", "toc@ha": "ha"}
GOT: Mapping[str, str] = {"got": "", "got@l": "l", "got@h": "h", "got@ha": "ha"}
# Of a branch target; without a dynamic linker they say nothing.
BRANCH_MODIFIERS = frozenset({"plt", "local", "notoc"})

MODIFIERS = frozenset({*HALVES, *TOC, *GOT, *BRANCH_MODIFIERS, "tocbase"})
