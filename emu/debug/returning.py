"""The single moves back that a session's commands are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.core.watching import StoppedBy, Watching
from emu.debug.advancing import NEAR, OWN_STEPS, settle
from emu.debug.calls import is_call, is_return
from emu.debug.judging import kind_of
from emu.debug.names import REAL
from emu.debug.stops import AT_THE_BEGINNING, Breakpoint, Point, Stop, Watchpoint
from emu.errors import MemoryAccessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.history import Halt
    from emu.debug.session import Session


FEW: Final = 32  # steps, each of which is found nearby sooner than all are counted


class Return:
    """Moves a session back; what it answers is not yet where the session has come to rest."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def one_back(self) -> Stop:
        """Undo what the current vcpu did last: an instruction, with what came of it."""
        session = self._session
        vcpu = session.vcpu.index
        watching = Watching(ready=vcpu)
        return self._last(watching, lambda halt: halt.by is StoppedBy.READY)

    def steps_back(self, count: int) -> Stop:
        """Undo so many steps of the current vcpu; many are counted first."""
        session = self._session
        here, stop = session.position, Stop("step")
        if count <= FEW:
            for _ in range(count):
                stop = self.one_back()
                if stop.kind != "step":
                    break
            return stop
        try:
            found = session.timeline.nth_last_ready(here, session.vcpu.index, count)
        except KeyboardInterrupt:
            session.timeline.goto(here)
            return Stop("interrupted", "interrupted")
        session.timeline.goto(found or 0)
        return Stop("step") if found else Stop("begin", AT_THE_BEGINNING)

    def one_host_step_back(self) -> Stop:
        """Undo one step of the current vcpu, of any kind."""
        session = self._session
        watching = Watching(kinds=OWN_STEPS, owner=session.vcpu.index)
        return self._last(watching, lambda halt: halt.by is StoppedBy.KIND)

    def _last(self, watching: Watching, accept: Callable[[Halt], bool]) -> Stop:
        """Go to the last stop before here, looking nearby first; else to the beginning."""
        session = self._session
        here = session.position
        if here == 0:
            return Stop("begin", AT_THE_BEGINNING)
        try:
            found = session.timeline.last(here, watching, accept, near=NEAR)
        except KeyboardInterrupt:
            session.timeline.goto(here)
            return Stop("interrupted", "interrupted")
        session.timeline.goto(found or 0)
        return Stop("step") if found else Stop("begin", AT_THE_BEGINNING)

    def one_over_back(self) -> Stop:
        """Undo an instruction; if that is a return, the whole call it returned from."""
        session = self._session
        vcpu = session.vcpu
        call, depth = session.nia() - 4, session.host.words[vcpu.gpr(1)]
        stop = self.one_back()
        word = session.host.machine.fetch(vcpu.index) or 0
        called = self._word_at(call)
        if stop.kind != "step" or not is_return(word) or called is None or not is_call(called):
            return stop
        return self.back_to(call, lambda: session.host.words[vcpu.gpr(1)] == depth)

    def _word_at(self, address: int) -> int | None:
        session = self._session
        try:
            return int.from_bytes(session.read(address, 4), session.names.endian())
        except MemoryAccessError:
            return None

    def back_to(self, address: int, wanted: Callable[[], bool] = lambda: True) -> Stop:
        """Go back to where the current vcpu came to an address last, and `wanted` held."""
        session = self._session
        vcpu = session.vcpu
        extra = Breakpoint(0, "", vm=vcpu.kvm.number, address=address & REAL & ~3)

        def arrived(halt: Halt) -> bool:
            return session.judge.vcpu_of(halt) == vcpu.index and wanted()

        with session.judge.armed([extra]):
            stop = self.back(None, arrived)
        if stop.kind == "step":
            settle(session, vcpu)
        return stop

    def back(
        self,
        watching: Watching | None,
        arrived: Callable[[Halt], bool] = lambda _: False,
        *,
        points: bool = False,
    ) -> Stop:
        """Go back to the last stop of a point, or to where `arrived` holds at a breakpoint."""
        session = self._session
        here = session.position
        if here == 0:
            return Stop("begin", AT_THE_BEGINNING)
        hits: list[tuple[Point, ...]] = []
        texts: list[tuple[str, int | None]] = []

        def accept(halt: Halt) -> bool:
            if halt.kind == "start":
                for point in session.judge.enabled(Watchpoint):
                    if point.expression is not None:
                        point.value, _ = session.judge.look(point.expression, point.scope)
                return False
            if halt.kind == "breakpoint" and arrived(halt):
                return True
            hit = session.judge.hits(halt) if points else []
            if hit:
                hits[:] = [tuple(hit)]
                lines = [session.judge.hit_text(point, halt) for point in hit]
                texts[:] = [("\n".join(lines), session.judge.doer(halt))]
            return bool(hit)

        with session.judge.armed(session.judge.enabled(Breakpoint) if points else []):
            try:
                found = session.timeline.last(here, watching, accept)
            except KeyboardInterrupt:
                session.timeline.goto(here)
                return Stop("interrupted", "interrupted")
        session.timeline.goto(found or 0)
        if not found:
            return Stop("begin", AT_THE_BEGINNING)
        if not hits:
            return Stop("step")
        return Stop(kind_of(hits[0][0]), texts[0][0], texts[0][1], hits[0])
