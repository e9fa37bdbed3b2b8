"""Where two traces part: their first difference, found without holding either in memory."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emu.trace.text import event_line

if TYPE_CHECKING:
    from emu.trace.read import Entry, Trace


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two traces differ.

    what: one line for people. common: the last events that both have. left, right: how each goes
    on; empty where it ends.
    """

    what: str
    common: tuple[Entry, ...] = ()
    left: tuple[Entry, ...] = ()
    right: tuple[Entry, ...] = ()

    def lines(self) -> list[str]:
        """The difference as text: common events, then `-` the left side and `+` the right."""
        return [
            self.what,
            *(f"  {event_line(entry)}" for entry in self.common),
            *(f"- {event_line(entry)}" for entry in self.left),
            *(f"+ {event_line(entry)}" for entry in self.right),
        ]


def first_difference(left: Trace, right: Trace, context: int) -> Difference | None:
    """Compare two traces; None if they are equal.

    context: how many common events before the difference, and how many after it, to keep. Raises
    TraceError.
    """
    for name in ("host", "vcpus"):
        values = [getattr(trace.header, name) for trace in (left, right)]
        if values[0] != values[1]:
            shown = [v if isinstance(v, str) else f"{len(v)} ({v[0]}...)" for v in values]
            return Difference(f"{name} differ: {shown[0]} and {shown[1]}")
    lefts, rights = iter(left), iter(right)
    common: deque[Entry] = deque(maxlen=context)
    for count, (a, b) in enumerate(itertools.zip_longest(lefts, rights)):
        if a is not None and b is not None and replace(a, line=b.line) == b:
            common.append(a)
            continue
        time = min(entry.tb for entry in (a, b) if entry is not None)
        what = f"{count} equal events; the first difference is at t={time}"
        if a is None or b is None:
            what += f": {(left if a is None else right).name} ends"
        goes_on = [
            () if entry is None else (entry, *itertools.islice(rest, max(context - 1, 0)))
            for entry, rest in ((a, lefts), (b, rights))
        ]
        return Difference(what, tuple(common), *goes_on)
    return None
