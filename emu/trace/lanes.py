"""What each vcpu was doing when: slices of time, and arrows from doorbells to their interrupts.

Follows the events of one trace and knows nothing of how they are drawn. A trace has no event for
the return from an interrupt handler, so that handlers are part of the guest's slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.isa.bits import bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emu.trace.read import Entry, Header

GUEST, CEDED, HOST = "guest", "ceded", "host"

# The state that a vcpu is in after an event.
STATE_AFTER = {
    "kvm_guest_enter": GUEST,
    "kvm_guest_exit": HOST,
    "kvm_ppc_cede": CEDED,
    "kvm_ppc_nap": CEDED,
    "kvmppc_vcore_blocked": CEDED,
    "kvmppc_vcore_wakeup": HOST,
    "kvm_ppc_nap_wake": HOST,
    "guest_interrupt": GUEST,
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A vcpu was in one state from `start` until `end`; `why` is the event that began it."""

    vcpu: int
    state: str
    start: int
    end: int
    why: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A doorbell, from where it was sent to where its interrupt was taken."""

    source: int
    sent: int
    target: int
    taken: int


class Lanes:
    """Follows the events of a trace; gives the slices and arrows that are complete."""

    def __init__(self, header: Header) -> None:
        self._target = {
            place: vcpu for vcpu, place in enumerate(zip(header.cores, header.tirs, strict=True))
        }
        self._cores = header.cores
        self._state: dict[int, tuple[str, int, str]] = {}
        self._pending: dict[int, Entry] = {}  # of each target, the send not yet taken

    def slices(self, entries: Iterable[Entry]) -> Iterator[Slice | Arrow | Entry]:
        """Each event, after the slices and arrows that it completes; then those still open."""
        time = 0
        for entry in entries:
            time = entry.tb
            yield from self._follow(entry)
            yield entry
        for vcpu, (state, since, why) in self._state.items():
            yield Slice(vcpu, state, since, time, why)

    def _follow(self, entry: Entry) -> Iterator[Slice | Arrow]:
        after = STATE_AFTER.get(entry.event)
        if after is not None:
            state, since, why = self._state.get(entry.vcpu, (HOST, entry.tb, entry.title))
            if after != state or entry.vcpu not in self._state:
                if since < entry.tb:
                    yield Slice(entry.vcpu, state, since, entry.tb, why)
                self._state[entry.vcpu] = (after, entry.tb, entry.title)
        if entry.case == "sent":
            target = self._target_of(entry)
            if target is not None:
                self._pending.setdefault(target, entry)
        elif entry.case == "cleared":
            self._pending.pop(entry.vcpu, None)
        elif entry.title == "guest_interrupt:doorbell" and entry.vcpu in self._pending:
            sent = self._pending.pop(entry.vcpu)
            yield Arrow(sent.vcpu, sent.tb, entry.vcpu, entry.tb)

    def _target_of(self, entry: Entry) -> int | None:
        """Who a doorbell is for: TIRTAG of (RB), or the TIR itself; None if nobody is there."""
        if not self._cores:
            return None
        return self._target.get((self._cores[entry.vcpu], bits(entry.value, 57, 63)))
