"""The history of a scheduler's run: the engine in C does the steps.

What one step is, `emu_step` in csrc/engine.abi.h says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from emu.core.engine import ACTOR_WORDS, StepKind, Verdict, fields
from emu.core.watching import StoppedBy, Watching
from emu.debug.history import FAR, MOST_BYTES, PLENTY, End, Halt, History
from emu.debug.registers import WORD
from emu.hv.host import Outcome
from emu.hv.schedulers import Replay, RoundRobin, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.core.engine import Turn
    from emu.core.machine import Snapshot
    from emu.hv.host import Host

INTERVAL: Final = 1 << 18
ENDLESS: Final = 1 << 40  # guest instructions of a turn that lasts until its actor waits
SLICE: Final = fields("actor")[1]["slice"]
ENDINGS: Final = {
    "deadlock": "deadlock: no vcpu can ever run again",
    "trap": "a guest trap that nobody handles",
    "limit": "the instruction limit was reached",
}


class Timeline(History):
    """A run by a scheduler. Raises what Host.prepare does."""

    interval = INTERVAL

    def __init__(
        self,
        host: Host,
        scheduler: Scheduler | None = None,
        *,
        most_bytes: int = MOST_BYTES,
        most_insns: int = PLENTY,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(host, most_bytes=most_bytes, interrupted=interrupted)
        self.most_insns = most_insns
        self._order, self._slice = host.prepare(scheduler or RoundRobin())
        self.machine.pay_interrupts(True)
        self._remember()

    @property
    def snapshot_bytes(self) -> int:
        """How much memory the snapshots take."""
        return self.machine.snapshot_bytes

    def _keep(self) -> object:
        return self.machine.snapshot(), self.host.engine.next_turn

    def _return_to(self, kept: object) -> None:
        snapshot, self.host.engine.next_turn = cast("tuple[Snapshot, int]", kept)
        self.machine.restore(snapshot)

    def arm(self, vm: int, address: int, *, on: bool) -> None:
        """Set or remove a breakpoint at a real address. Raises MemoryAccessError."""
        self.machine.breakpoint(vm, address, on)

    def give_turn(self, actor: int, instructions: int) -> None:
        """Make an actor the one whose turn it is, for so many guest instructions."""
        first = self.machine.area("actor") + SLICE
        slices = range(first, first + ACTOR_WORDS * len(self.host.actors), ACTOR_WORDS)
        words = {ref: 0 for ref in slices if self.host.words[ref]}  # whoever had it has it no more
        words |= {self.host.machine_refs.sched_last: 1 + actor, slices[actor]: 1 + instructions}
        self.edit(f"the turn of {self.host.actor_name(actor)}", words)

    def let_go(self) -> None:
        """Let a turn that was given by hand last as long as the scheduler's from here on."""
        actor = self.host.engine.turn(self.machine)
        if actor is None or self.position < self.frontier or self.is_over():
            return
        left = self.host.words[self.machine.area("actor") + ACTOR_WORDS * actor + SLICE]
        if ENDLESS // 2 < left <= 1 + ENDLESS:
            self.give_turn(actor, self._slice)

    def follow(self, turns: Sequence[Turn]) -> None:
        """Go back to the beginning, and do these turns, and then as RoundRobin does."""
        self.goto(0)
        self.forget_future()
        self._order, self._slice = self.host.prepare(Replay(tuple(turns)))
        self._moments.clear()
        self._remember()
        begun = Watching(kinds=[StepKind.TURN])
        while self.host.engine.next_turn < len(turns):
            halt = self.forward(watching=begun)
            if halt.kind in ("end", "interrupted"):
                return
        if turns:
            over = Watching(kinds=[StepKind.TURN])
            halt = self.forward(self.position + (turns[-1].steps or FAR), watching=over)
            if halt.by is StoppedBy.KIND:
                self.goto(self.position - 1)

    def is_over(self) -> bool:
        """Whether the guest has exited here, or the limit is reached; a deadlock can be undone."""
        if self.host.words[self.host.machine_refs.stopped]:
            return True
        outcome = None if self.end is None else self.end.outcome
        return outcome is not None and outcome.kind == "limit" and super().is_over()

    def _pass_breakpoint(self) -> None:
        actor = self.host.engine.turn(self.machine)
        vcpu = None if actor is None else self.host.engine.guest(self.machine, actor)
        if vcpu is not None:
            arch = self.host.vcpus[vcpu].arch
            self.host.words[arch.passing] = self.host.words[arch.nia] + 1 & WORD

    def _stretch(self, limit: int, watching: Watching | None) -> Halt | None:
        """Run up to the next snapshot, edit or limit."""
        last = self._last_kept()
        limit = min(self._next_edit(limit), max(last + self.interval, self.position + 1))
        host = self.host
        stop = host.engine.run(
            self.machine,
            self._order,
            self._slice,
            self.most_insns - host.instructions,
            PLENTY,
            max_steps=limit - self.position,
            watching=watching,
        )
        host.instructions += stop.insns
        self._heard()
        self._move(self.position + stop.steps)
        by = StoppedBy.NOTHING if watching is None else watching.stopped_by
        if stop.verdict is Verdict.CALL:
            self._move(self.position + 1)
        if host.answer(stop) or stop.verdict is Verdict.PAUSE:
            if self.position - last >= self.interval:
                self._remember()
            if host.instructions >= self.most_insns:
                self.end = _end(self.position, Outcome("limit", host.instructions))
                return Halt("end", stop.actor)
            if by is StoppedBy.NOTHING or watching is None:
                return None
            return Halt("watching", stop.actor, by, watching.which, stop.last)
        if stop.verdict is Verdict.BREAK and not self._ends_here(stop.actor):
            return Halt("breakpoint", stop.actor)
        outcome = host.outcome(stop)
        if outcome is None:  # pragma: no cover - every verdict but PAUSE has one
            raise AssertionError(stop.verdict)
        self.end = _end(self.position, outcome)
        return Halt("end", stop.actor)

    def _ends_here(self, actor: int) -> bool:
        """Whether the text of the guest ends at this breakpoint."""
        index = self.host.engine.guest(self.machine, actor)
        vcpu = self.host.vcpus[0 if index is None else index]
        return self.host.words[vcpu.arch.nia] in self.host.vms[vcpu.kvm.number].ends


def _end(position: int, outcome: Outcome) -> End:
    text = ENDINGS.get(outcome.kind, f"the guest exited with status {outcome.status}")
    return End(position, f"{text}\n{outcome.explanation}".rstrip(), outcome)
