"""A trace as text: a line an event, in the form of ftrace, with KVM's tracepoint names."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emu.trace.read import Entry


def event_line(entry: Entry) -> str:
    """One event: `v0   [000]  280: kvm_ppc_doorbell: sent value=0x28000001 nia=0x10170`."""
    case = f" {entry.case}" if entry.case else ""
    return (
        f"{entry.actor:>8} [{entry.vcpu:03}] {entry.tb:>10}: "
        f"{entry.event}:{case} value={entry.value:#x} nia={entry.nia:#x}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events are wanted; what is empty or None leaves all of them.

    events: patterns as the shell has them, for the event or `event:case`. first, last: times,
    both included.
    """

    vcpus: tuple[int, ...] = ()
    actors: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    first: int = 0
    last: int | None = None

    def of(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those of the events that are wanted; stops reading after the last time."""
        for entry in entries:
            if self.last is not None and entry.tb > self.last:
                return
            if entry.tb >= self.first and self._wants(entry):
                yield entry

    def _wants(self, entry: Entry) -> bool:
        return (
            (not self.vcpus or entry.vcpu in self.vcpus)
            and (not self.actors or entry.actor in self.actors)
            and (
                not self.events
                or any(
                    fnmatchcase(name, pattern)
                    for name in (entry.event, entry.title)
                    for pattern in self.events
                )
            )
        )


def around(entries: Iterable[Entry], time: int, count: int) -> Iterator[Entry]:
    """The last `count` events before a time, and the first `count` at it or after it."""
    before: deque[Entry] = deque(maxlen=count)
    later = 0
    for entry in entries:
        if entry.tb < time:
            before.append(entry)
            continue
        if not later:
            yield from before
            before.clear()
        if later == count:
            return
        later += 1
        yield entry
    yield from before
