"""What a single step is for gdb: something that it can see, with or without interrupts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emu.isa.table import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session
    from emu.debug.stops import Stop

MOST_STEPS: Final = 100_000  # of a range: gdb then asks again
RFID: Final = encode("rfid", ())


class Seen(NamedTuple):
    """What gdb sees of the vcpu that steps: where it is, and how much it has done."""

    nia: int
    instructions: int


class Stepping:
    """Steps a session's current vcpu.

    interrupts: whether a step may end in the handler of an interrupt; else the handler is run to
    its end, or back to its beginning, and the step is that of what was interrupted.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.interrupts = True

    def forward(self) -> Stop:
        """Do one step."""
        session = self._session
        vcpu, before = session.vcpu, self._seen()
        stop = self._visibly(session.stepi)
        while not self.interrupts and stop.kind == "step":
            now = self._seen()
            interrupted = now.instructions == before.instructions and now.nia != before.nia
            if not interrupted or session.host.words[vcpu.arch.srr0] != before.nia:
                break
            stop = session.until(before.nia)
            if stop.kind == "step":
                before = self._seen()
                stop = self._visibly(session.stepi)
        return stop

    def within(self, first: int, last: int) -> Stop:
        """Step until the vcpu is outside of addresses first to last - 1."""
        session = self._session
        if self.interrupts:
            return session.step_within(first, last)
        stop = self.forward()
        for _ in range(MOST_STEPS):
            if stop.kind != "step" or not first <= session.nia() < last:
                break
            stop = self.forward()
        return stop

    def back(self) -> Stop:
        """Undo one step."""
        session = self._session
        before = self._seen()
        stop = self._visibly(session.reverse_stepi)
        while not self.interrupts and stop.kind == "step" and self._returns_to(before.nia):
            stop = self._before_interrupt(before.nia)
            if stop.kind == "step":
                before = self._seen()
                stop = self._visibly(session.reverse_stepi)
        return stop

    def _returns_to(self, nia: int) -> bool:
        """Whether the vcpu is about to return from an interrupt that was taken at an address."""
        session = self._session
        word = session.host.machine.fetch(session.vcpu.index)
        return word == RFID and session.host.words[session.vcpu.arch.srr0] == nia

    def _before_interrupt(self, nia: int) -> Stop:
        """Go back to where the interrupt was taken at an address, from its handler."""
        now = self._seen()
        while True:
            after, stop = now, self._session.reverse_stepi()
            now = self._seen()
            taken = now.instructions == after.instructions and now.nia == nia != after.nia
            if stop.kind != "step" or taken:
                return stop

    def _seen(self) -> Seen:
        return Seen(self._session.nia(), self._session.evaluate("ic"))

    def _visibly(self, step: Callable[[], Stop]) -> Stop:
        """Step until something is to be seen: not only into or out of the host."""
        session = self._session
        vcpu, before = session.vcpu, self._seen()
        stop = step()
        while stop.kind == "step" and session.vcpu is vcpu and self._seen() == before:
            stop = step()
        return stop
