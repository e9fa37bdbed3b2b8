"""Lanes as text: a row for each vcpu, a column for each stretch of time.

Memory does not grow with the trace: when the columns are full, each two become one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.trace.lanes import CEDED, GUEST, HOST, Lanes, Slice
from emu.trace.read import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.trace.read import Header

STATE_MARK = {GUEST: "#", CEDED: "c", HOST: "."}
SENT, TAKEN = "s", "v"
# Where a column is two things, the one that comes first here is seen.
PRECEDENCE = (TAKEN, SENT, STATE_MARK[GUEST], STATE_MARK[HOST], STATE_MARK[CEDED], " ")
RANK = {mark: rank for rank, mark in enumerate(PRECEDENCE)}
LEGEND = "# guest   . host   c ceded   s doorbell sent   v interrupt taken"


class LaneText:
    """Draws the lanes of a trace in `width` columns, an even number."""

    def __init__(self, header: Header, width: int) -> None:
        self._names = header.vcpus
        self._lanes = Lanes(header)
        self._width = width
        self._rows = [[" "] * width for _ in header.vcpus]
        self._origin: int | None = None
        self._unit = 1

    def lines(self, entries: Iterable[Entry]) -> list[str]:
        """Rows under a legend that says how much time a column stands for."""
        for item in self._lanes.slices(entries):
            if isinstance(item, Slice):
                self._mark(item.vcpu, STATE_MARK[item.state], item.start, item.end)
            elif isinstance(item, Entry):
                self._instant(item)
        name = max(map(len, self._names))
        return [
            f"t={self._origin or 0}, a column is {self._unit}: {LEGEND}",
            *(
                f"{vcpu:>{name}} |{''.join(row)}|"
                for vcpu, row in zip(self._names, self._rows, strict=True)
            ),
        ]

    def _instant(self, entry: Entry) -> None:
        if entry.case == "sent":
            self._mark(entry.vcpu, SENT, entry.tb, entry.tb)
        elif entry.event == "guest_interrupt":
            self._mark(entry.vcpu, TAKEN, entry.tb, entry.tb)

    def _mark(self, vcpu: int, mark: str, start: int, end: int) -> None:
        if self._origin is None:
            self._origin = start
        while end - self._origin >= self._width * self._unit:
            self._halve()
        row = self._rows[vcpu]
        first = max(start - self._origin, 0) // self._unit
        for column in range(first, (end - self._origin) // self._unit + 1):
            row[column] = min(row[column], mark, key=RANK.__getitem__)

    def _halve(self) -> None:
        self._unit *= 2
        for row in self._rows:
            pairs = zip(row[::2], row[1::2], strict=True)
            halved = [min(pair, key=RANK.__getitem__) for pair in pairs]
            row[:] = halved + [" "] * (self._width - len(halved))
