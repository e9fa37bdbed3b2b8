"""What every stop shows of itself: panes, each of which can be switched off.

A pane shows what is worth seeing without being asked for: registers and words of the hypervisor
only if they have changed since the last stop, events only if they are new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.debug import show
from emu.debug.names import SPR_WORDS
from emu.hv.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session
    from emu.hv.host import TraceEvent

SHOWN_AHEAD: Final = 3
MOST_WORDS: Final = 8
MOST_EVENTS: Final = 4


class Context:
    """The panes of one prompt, and what was there when it was shown last."""

    def __init__(self, session: Session) -> None:
        self.on = True
        self.off: set[str] = set()
        self._session = session
        host = session.host
        vcores = [vcore for kvm in host.kvms for vcore in kvm.vcores]
        records = (*host.kvms, *vcores, *host.vcpus, *host.cpus)
        self._words = [record.base + row.offset for record in records for row in record.fields]
        self._registers: list[dict[str, int]] = []
        self._before: list[int] = []
        self._events = 0
        self.look()

    def look(self) -> None:
        """Remember what there is, to tell later what is new."""
        session = self._session
        self._registers = [_registers(session, vcpu.index) for vcpu in session.host.vcpus]
        self._before = session.host.words.tolist()
        self._events = self._counted()

    def lines(self) -> list[str]:
        """What the panes that are on show now."""
        return [line for name, pane in PANES.items() if name not in self.off for line in pane(self)]

    # -- the panes

    def registers(self) -> list[str]:
        """Registers and SPRs of the current vcpu that have changed."""
        index = self._session.vcpu.index
        cells = show.changed(_registers(self._session, index), self._registers[index])
        return [f"  {cells}"] if cells else []

    def code(self) -> list[str]:
        """The current vcpu's next instructions, or its next step in the hypervisor's source."""
        session, vcpu = self._session, self._session.vcpu
        if session.in_guest(vcpu):
            source = show.source_line(session, vcpu)
            ahead = show.code_lines(session, session.nia(vcpu), SHOWN_AHEAD, vcpu)
            return [*([f"  {source}"] if source else []), *ahead]
        host, mine = session.host, session.actor_of(vcpu)
        turn = host.engine.turn(host.machine)
        goes = mine if turn is None else turn
        lines = [f"  next step: {session.next_step()}"]
        if host.engine.guest(host.machine, goes) is None:
            lines += show.host_lines(session, goes)
        if goes != mine:
            lines += [f"  {vcpu.name} is in", *show.host_lines(session, mine)]
        return lines

    def hypervisor(self) -> list[str]:
        """Words of the hypervisor that have changed."""
        session = self._session
        now = session.host.words
        cells = [
            f"{session.refs.name(ref)} {self._before[ref]:#x} -> {now[ref]:#x}"
            for ref in self._words
            if now[ref] != self._before[ref]
        ]
        if len(cells) > MOST_WORDS:
            cells[MOST_WORDS:] = [f"and {len(cells) - MOST_WORDS} more"]
        return [f"  hv: {', '.join(cells)}"] if cells else []

    def threads(self) -> list[str]:
        """The other vcpus."""
        session = self._session
        others = [other for other in session.host.vcpus if other != session.vcpu]
        return [f"  {show.thread_line(session, other).strip()}" for other in others]

    def events(self) -> list[str]:
        """The last events, as far as they are new."""
        new = min(max(self._counted() - self._events, 0), MOST_EVENTS)
        recent = list(self._session.timeline.recent)
        return [f"  {event_text(event)}" for event in recent[len(recent) - new :]]

    def _counted(self) -> int:
        return sum(self._session.host.engine.all_counters)


PANES: Final[dict[str, Callable[[Context], list[str]]]] = {
    "registers": Context.registers,
    "code": Context.code,
    "hypervisor": Context.hypervisor,
    "threads": Context.threads,
    "events": Context.events,
}


def event_text(event: TraceEvent) -> str:
    """An event on one line: `t=280 v0: kvm_ppc_doorbell:sent 0x28000001`."""
    shown = event.value and event.event is not Event.ENTER  # of an entry, r3
    value = f" {event.value:#x}" if shown else ""
    return f"t={event.tb} v{event.vcpu}: {event.event.title}{value}"


def _registers(session: Session, index: int) -> dict[str, int]:
    """Return the registers and SPRs of a vcpu that the guest itself changes."""
    vcpu = session.host.vcpus[index]
    words = session.host.words
    sprs = {word: words[vcpu.arch.refs[word]] for word in SPR_WORDS}
    return show.registers(session, vcpu) | sprs | {"dpdes": session.evaluate(f"v{index}.dpdes")}
