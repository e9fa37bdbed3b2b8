"""Symbols: names for places and numbers, and what an object file says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .expressions import Code
    from .sections import Place
    from .source import Line

LOCAL, GLOBAL, WEAK = 0, 1, 2
NOTYPE, OBJECT, FUNC, SECTION, FILE, COMMON, TLS, GNU_IFUNC = 0, 1, 2, 3, 4, 5, 6, 10
TYPES = {
    "function": FUNC, "object": OBJECT, "notype": NOTYPE, "common": COMMON, "tls_object": TLS,
    "gnu_indirect_function": GNU_IFUNC, "gnu_unique_object": OBJECT,
    "stt_func": FUNC, "stt_object": OBJECT, "stt_notype": NOTYPE, "stt_common": COMMON,
    "stt_tls": TLS, "stt_gnu_ifunc": GNU_IFUNC,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Symbol:
    """One symbol.

    value: a Place (a label), a number or bound code (`.set`), None while undefined.
    variable: made by `.set` and so may be set again. other: the ELF st_other byte.
    common: (size, align) of `.comm`. used: the first line that mentions it.
    """

    name: str
    value: int | Place | Code | None = None
    variable: bool = False
    binding: int = LOCAL
    type: int = NOTYPE
    size: int | Code = 0
    other: int = 0
    common: tuple[int, int] | None = None
    declared: bool = False
    defined: Line | None = None
    evaluating: bool = False

    @property
    def temporary(self) -> bool:
        """Whether its name marks it as the assembler's own (`.L...`), kept out of object files."""
        return self.name.startswith(".L") or not self.name or self.name[0].isdigit()
