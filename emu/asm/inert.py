"""Directives that are accepted and have no effect here, each with the reason."""

from __future__ import annotations

INERT = {
    ".ident": "would name the compiler in .comment, which no guest reads",
    ".gnu_attribute": "ABI tags for a linker that mixes objects; there is nothing to mix here",
    ".addrsig": "a hint to linkers that fold identical code",
    ".addrsig_sym": "a hint to linkers that fold identical code",
    ".version": "would add a note that no guest reads",
    ".eject": "page layout of a printed listing",
    ".title": "page layout of a printed listing",
    ".sbttl": "page layout of a printed listing",
    ".psize": "page layout of a printed listing",
    ".list": "the listing is all or nothing (--listing)",
    ".nolist": "the listing is all or nothing (--listing)",
    ".extern": "a symbol that is used and not defined is external anyway",
    ".line": "line numbers come from the source itself and from .loc",
    ".ln": "line numbers come from the source itself and from .loc",
    ".loc_mark_labels": "the line table marks no basic blocks",
    ".ltorg": "Power has no literal pools",
    ".print": "assembling prints nothing but diagnostics",
}
