"""The single moves forward that a session's commands are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.core.engine import StepKind
from emu.core.watching import StoppedBy, Watching
from emu.debug.calls import is_call
from emu.debug.history import FAR
from emu.debug.names import REAL
from emu.debug.stops import Breakpoint, Stop
from emu.errors import ConfigError, MemoryAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.debug.history import Halt
    from emu.debug.session import Session
    from emu.hv.kvm import Vcpu

NEAR: Final = 1 << 6  # steps that going back one step looks at first
PATIENCE: Final = 50_000_000  # steps that one step of a vcpu may take before it is called waiting
OWN_STEPS: Final = (StepKind.GUEST, StepKind.EXIT, StepKind.HOST, StepKind.WAIT)


class Advance:
    """Moves a session forward; what it answers is not yet where the session has come to rest."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def alone(self) -> Stop:
        """Let only the current vcpu move until a point stops it or it cannot."""
        session = self._session
        actor = session.actor_of(session.vcpu)
        armed = session.judge.enabled(Breakpoint)
        with session.judge.armed(armed):
            while True:
                try:
                    session.give_turn(actor)
                except ConfigError as error:
                    return Stop("waits", str(error))
                lost = (StepKind.TURN, StepKind.WAIT)
                halt = session.timeline.forward(watching=session.judge.watching(kinds=lost))
                if halt.last not in lost:
                    stop = session.judge.judged(halt)
                    if stop is not None:
                        return stop

    def go(
        self,
        *,
        limit: int = FAR,
        points: bool = True,
        kind: str = "step",
        extra: Sequence[Breakpoint] = (),
        until: Callable[[Halt], bool] = lambda _: False,
    ) -> Stop:
        """Go forward until a point stops, `until` holds at an extra breakpoint, or the limit."""
        session = self._session
        armed = [*(session.judge.enabled(Breakpoint) if points else ()), *extra]
        with session.judge.armed(armed):
            watching = session.judge.watching(points=points)
            while True:
                halt = session.timeline.forward(limit, watching=watching)
                if halt.kind == "limit":
                    return Stop("goto" if kind == "goto" else "step")
                if halt.kind == "breakpoint" and until(halt):
                    return Stop("step")
                stop = session.judge.judged(halt)
                if stop is not None:
                    return stop
                if halt.by is StoppedBy.WATCH:
                    watching = session.judge.watching(points=points)

    def steps(self, count: int) -> Stop:
        """Let the current vcpu do instructions; see stepi. They are counted where they are done."""
        session = self._session
        if not session.locked and not session.judge.enabled(Breakpoint):
            return self.one_step(passes=count - 1) if count > 0 else Stop("step")
        stop = Stop("step")  # each passes the breakpoint that it begins at
        for _ in range(count):
            stop = self.one_step()
            if stop.kind != "step":
                break
        return stop

    def one_step(self, *, passes: int = 0) -> Stop:
        """Let the current vcpu do an instruction, behind so many others that it passes."""
        session = self._session
        vcpu = session.vcpu
        actor = session.actor_of(vcpu)
        with session.judge.armed(session.judge.enabled(Breakpoint)):
            lost = (StepKind.TURN, StepKind.WAIT) if session.locked else ()
            watching = session.judge.watching(ready=vcpu.index, passes=passes, kinds=lost)
            assert watching is not None  # there is something to be ready
            limit, left = session.position + PATIENCE, watching.passes
            again = False
            while True:
                if session.locked:
                    try:
                        session.give_turn(actor)
                    except ConfigError as error:
                        return Stop("waits", str(error))
                halt = session.timeline.forward(limit, watching=watching, again=again)
                again = True
                if halt.by is StoppedBy.READY:
                    return Stop("step")
                if halt.kind == "limit" and watching.passes < left:
                    limit, left = session.position + PATIENCE, watching.passes
                    continue
                if halt.kind == "limit":
                    return Stop(
                        "waits", f"v{vcpu.index} did nothing in {PATIENCE} steps of the machine"
                    )
                if halt.kind == "breakpoint" and session.judge.vcpu_of(halt) == vcpu.index:
                    return session.judge.judged(halt) or Stop("step")
                stop = session.judge.judged(halt)
                if stop is not None:
                    return stop

    def one_host_step(self) -> Stop:
        """Let the current vcpu's task or guest do one step of any kind."""
        session = self._session
        if session.locked:
            try:
                session.give_turn(session.actor_of(session.vcpu))
            except ConfigError as error:
                return Stop("waits", str(error))
            return self.go(limit=session.position + 1)
        with session.judge.armed(session.judge.enabled(Breakpoint)):
            watching = session.judge.watching(kinds=OWN_STEPS, owner=session.vcpu.index)
            while True:
                halt = session.timeline.forward(session.position + PATIENCE, watching=watching)
                if halt.kind == "limit":
                    return Stop("waits", f"v{session.vcpu.index} did nothing in {PATIENCE} steps")
                if halt.by is StoppedBy.KIND:
                    return Stop("step")
                stop = session.judge.judged(halt)
                if stop is not None:
                    return stop

    def one_over(self) -> Stop:
        """Step over a call, or do one instruction."""
        session = self._session
        vcpu = session.vcpu
        word = session.host.machine.fetch(vcpu.index) or 0
        if not session.in_guest(vcpu) or not is_call(word):
            return self.one_step()
        depth = session.host.words[vcpu.gpr(1)]
        return self.go_to(session.nia() + 4, lambda: session.host.words[vcpu.gpr(1)] >= depth)

    def go_to(self, address: int, wanted: Callable[[], bool] = lambda: True) -> Stop:
        """Go on until the current vcpu has come to an address and `wanted` holds, or a point stops.

        Raises MemoryAccessError if it lies outside of memory.
        """
        session = self._session
        vcpu = session.vcpu

        def arrived(halt: Halt) -> bool:
            return session.judge.vcpu_of(halt) == vcpu.index and wanted()

        extra = Breakpoint(0, "", vm=session.vcpu.kvm.number, address=address & REAL & ~3)
        if extra.address >= session.host.machine.memory_size(extra.vm):
            raise MemoryAccessError(f"there is no code at {address:#x}")
        here = session.position
        stop = self.go(extra=[extra], until=arrived)
        if stop.kind == "step":
            settle(session, vcpu, here)
        return stop


def settle(session: Session, vcpu: Vcpu, since: int = 0) -> None:
    """Be where a vcpu came to the instruction that it is at, not before a position.

    A breakpoint stops when the vcpu has its turn, and a step ends as soon as its instruction is
    done. In between it may have been called out of its guest and have come back, even repeatedly.
    """
    timeline, at = session.timeline, session.nia(vcpu)
    ready = Watching(ready=vcpu.index)
    found, limit = session.position, session.position + 1
    while True:
        came = timeline.last(
            limit, ready, lambda halt: halt.by is StoppedBy.READY, near=NEAR, after=limit > found
        )
        if came is None or came <= since:
            break
        timeline.goto(came)
        if session.nia(vcpu) != at:
            break
        found = limit = came
    timeline.goto(found)
