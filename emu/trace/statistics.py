"""What was counted during a run: by name and by vcpu, and as a table.

Adds up what host code counted (events under KVM's tracepoint names) and what guests did without
leaving the core (interrupts taken, native doorbells). Knows nothing of terminals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.core.machine import Deed
from emu.hv.event import Event
from emu.isa.interrupts import BY_NAME, INTERRUPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.hv.vm import Vm

EXITS = [event for event in Event if event.tracepoint == "kvm_guest_exit"]

# What became of a doorbell. On POWER8 it is the hardware's (a deed of the guest), on POWER9 it is
# emulated (an event of host code).
DOORBELLS = {
    "sent": (Event.DOORBELL_SENT, Deed.SEND),
    "coalesced": (Event.DOORBELL_COALESCED, Deed.COALESCE),
    "cleared": (Event.DOORBELL_CLEARED, Deed.CLEAR),
    "ignored": (Event.DOORBELL_IGNORED, Deed.IGNORE),
}
MAX_COLUMNS = 8  # vcpus that a table shows one by one


@dataclass(frozen=True, slots=True)
class Row:
    """One counter, with a number for each vcpu."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All vcpus together."""
        return sum(self.counts)


class Statistics:
    """The counters of a VM, read once."""

    def __init__(self, vm: Vm) -> None:
        machine = vm.host.machine
        words = vm.host.words
        self.vcpus = tuple(vcpu.index for vcpu in vm.vcpus)
        events = {index: vm.host.counts(index) for index in self.vcpus}

        def row(name: str, count: Callable[[int], int]) -> Row:
            return Row(name, tuple(count(index) for index in self.vcpus))

        def event_row(name: str, event: Event) -> Row:
            return row(name, lambda index: events[index][event])

        refs = {vcpu.index: vcpu.arch.ic for vcpu in vm.vcpus}
        self.instructions = row("instructions", lambda index: words[refs[index]])
        self.exits = [event_row(f"exit: {event.case}", event) for event in EXITS]

        def doorbell_row(name: str, event: Event, deed: Deed) -> Row:
            return row(name, lambda index: events[index][event] + machine.count(index, deed))

        def interrupt_row(name: str, vector: int) -> Row:
            return row(name, lambda index: machine.count(index, Deed.INTERRUPT, vector))

        self.doorbells = [
            doorbell_row(f"doorbell: {name}", event, deed)
            for name, (event, deed) in DOORBELLS.items()
        ]
        self.interrupts = [
            interrupt_row(f"interrupt: {known.name}", known.vector) for known in INTERRUPTS
        ]
        shown = {*EXITS, *(event for event, _ in DOORBELLS.values())}
        self.others = [event_row(event.title, event) for event in Event if event not in shown]

    def rows(self) -> list[Row]:
        """What was counted at all, in the order in which a reader wants it."""
        counted = [*self.exits, *self.doorbells, *self.interrupts, *self.others]
        return [self.instructions, *(row for row in counted if row.total)]

    def doorbell_totals(self) -> dict[str, int]:
        """Doorbells sent, taken, coalesced, cleared and ignored, by all vcpus."""
        totals = {name: row.total for name, row in zip(DOORBELLS, self.doorbells, strict=True)}
        names = [interrupt.name for interrupt in INTERRUPTS]
        taken = self.interrupts[names.index(BY_NAME["doorbell"].name)].total
        return {"sent": totals.pop("sent"), "taken": taken, **totals}

    def exits_of(self, position: int) -> dict[str, int]:
        """Exits of the vcpu at this position in the VM, by cause, without those that never were."""
        return {
            event.case: row.counts[position]
            for event, row in zip(EXITS, self.exits, strict=True)
            if row.counts[position]
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and lines of text; a column for each vcpu if they are few."""
        few = len(self.vcpus) <= MAX_COLUMNS
        columns = [f"v{index}" for index in self.vcpus] if len(self.vcpus) > 1 and few else []
        lines = [
            [row.name, f"{row.total:,}", *(f"{count:,}" for count in row.counts[: len(columns)])]
            for row in self.rows()
        ]
        return ["", "total", *columns], lines


def plain_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """The table as aligned text: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (headings, *lines)
    ]
