"""Every directive, by name: what it does to the assembler's state.

Three tables: DIRECTIVES (all that are not block openers), CONDITIONALS (read even where a
condition is false), INERT (accepted without an effect, with the reason; the manual prints it).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import cfi, data, flow, placement, symbol_directives
from .inert import INERT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler
    from .scan import Statement

    Handler = Callable[[Assembler, Statement], None]

CONDITIONALS: Mapping[str, Handler] = flow.CONDITIONALS

_MARKER = re.compile(r'#\s*(?:line\s+)?([0-9]{1,9})\s+"((?:[^"\\]|\\.)*)"(?:\s+[0-9 ]*)?$')


def _nothing(_asm: Assembler, _statement: Statement) -> None:
    """What an inert directive does."""


DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys(INERT, _nothing),
    **flow.CONDITIONALS,
    **flow.DIRECTIVES,
    **data.DIRECTIVES,
    **placement.DIRECTIVES,
    **symbol_directives.DIRECTIVES,
    **cfi.DIRECTIVES,
}


def handler(head: str) -> Handler | None:
    """The function of a directive, None if there is no such directive."""
    return DIRECTIVES.get(head)


def line_marker(text: str) -> tuple[int, str] | None:
    """Line number and file of a preprocessor's `# 12 "file.h"`, None for other comments."""
    match = _MARKER.match(text)
    return (int(match.group(1)), match.group(2)) if match else None
