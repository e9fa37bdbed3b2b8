"""A run that can be at any of its positions, forwards and backwards.

A position is the number of steps since the beginning: guest instructions, host operations,
interrupts taken, turns of the scheduler, and edits from outside. The state at a position is always
the same, bit for bit, however it is reached: going back is returning to a place that was kept and
going forward from there. An edit (a register set by hand, another vcpu's turn) is a step like the
others, is replayed like them, and ends the future that was recorded beyond it.

What a step is, and who chooses it, is for the two kinds of histories to say: `timeline.py` (a
scheduler's run) and `choices.py` (the steps of a search). Knows nothing of breakpoints' conditions
or of who watches; see `session.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import StepKind
from emu.core.watching import StoppedBy, Watching
from emu.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emu.hv.host import Host, Outcome, TraceEvent

MOST_KEPT: Final = 128
MOST_BYTES: Final = 256 << 20
FAR: Final = 1 << 62  # no run gets there
PLENTY: Final = (1 << 63) - 1
RECENT: Final = 16  # events that are remembered, a power of two


class Patch(NamedTuple):
    """Bytes put into a VM's memory."""

    vm: int
    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """A change from outside. text: what it is, for people. words: ref -> value."""

    position: int
    text: str
    words: Mapping[int, int]
    patches: Sequence[Patch] = ()


@dataclass(frozen=True, slots=True)
class End:
    """The last position of a run, and why nothing follows, in words.

    outcome: of a scheduler's run.
    """

    position: int
    text: str
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """Why going forward stopped.

    start: nothing has happened yet.
    limit: the position asked for is reached. breakpoint: `actor`'s guest is in front of one.
    watching: for one of the reasons given, `by` and `which`. end: nothing can go on.
    interrupted: by the user.
    """

    kind: str
    actor: int = 0
    by: StoppedBy = StoppedBy.NOTHING
    which: int = 0
    last: StepKind = StepKind.NONE


class Moment(NamedTuple):
    """All that makes up one position. kept: what _keep() returned."""

    position: int
    kept: object
    instructions: int
    counters: bytes
    recent: tuple[TraceEvent, ...]


class History(ABC):
    """The history of a host's run, from the host as it is now.

    interval: steps between the places that are kept while a run is new.
    """

    interval: int

    def __init__(
        self,
        host: Host,
        *,
        most_bytes: int = MOST_BYTES,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.host = host
        self.machine = host.machine
        self.interrupted = interrupted
        self.position = 0
        self.frontier = 0  # the last position that has been recorded
        self.end: End | None = None
        self.edits: list[Edit] = []
        self.most_bytes = most_bytes
        self.recent: deque[TraceEvent] = deque(maxlen=RECENT)
        self._moments: list[Moment] = []
        host.engine.keep_events(RECENT)

    # -- what each kind of history does in its own way

    @abstractmethod
    def _stretch(self, limit: int, watching: Watching | None) -> Halt | None:
        """Go on up to a position; None: nothing special happened on the way."""

    @abstractmethod
    def _keep(self) -> object:
        """Keep the state of now."""

    @abstractmethod
    def _return_to(self, kept: object) -> None:
        """Make the state of now one that was kept."""

    @abstractmethod
    def _pass_breakpoint(self) -> None:
        """Let whoever goes next pass the breakpoint that it stands in front of."""

    @abstractmethod
    def arm(self, vm: int, address: int, *, on: bool) -> None:
        """Set or remove a breakpoint at a real address."""

    @abstractmethod
    def give_turn(self, actor: int, instructions: int) -> None:
        """Let an actor, which can run, do the next step, and go on so long if it can."""

    def let_go(self) -> None:  # noqa: B027 - most need nothing
        """Let a turn that was given by hand be no longer than any other from now on."""

    def can_go(self, actor: int) -> bool:
        """Whether an actor could take a step now."""
        return self.host.engine.enabled(self.machine, actor)

    def happens_next(self) -> str:
        """Say what is next if it is no actor's step; empty if it is."""
        return ""

    @property
    @abstractmethod
    def snapshot_bytes(self) -> int:
        """How much memory is taken by what is kept."""

    @property
    def snapshots(self) -> int:
        """How many places are kept."""
        return len(self._moments)

    def digest(self) -> str:
        """Identify the whole state: words and memory. Equal states have equal digests."""
        found = blake2b(self.machine.words.tobytes(), digest_size=16)
        for vm in self.host.vms:
            found.update(self.machine.memory(vm.number))
        return found.hexdigest()

    # -- forwards

    def forward(
        self,
        limit: int = FAR,
        *,
        watching: Watching | None = None,
        first: bool = False,
        again: bool = False,
    ) -> Halt:
        """Go on to a position, or until something stops it.

        again: the watching goes on where it stopped; it does not take a new look.

        first: what the machine stands in front of (breakpoint, instruction to catch) counts; it
        does not for a run that goes on from where it has stopped for just that.
        """
        if watching is not None and not again:
            watching.look(self.host.engine, self.machine, first=first)
        passing = not first
        while self.position < limit:
            if self.interrupted():
                return Halt("interrupted")
            if self.end is not None and self.position >= self.end.position:
                return Halt("end")
            if self._redo():
                if watching is not None and self._edit_stops(watching):
                    return Halt("watching", 0, watching.stopped_by, watching.which)
                continue
            if passing:
                self._pass_breakpoint()
            passing = False
            halt = self._stretch(limit, watching)
            if halt is not None:
                return halt
            if watching is not None:
                watching.go_on()
        return Halt("limit")

    def _redo(self) -> bool:
        """Do the edit that was made at this position, if there was one."""
        at = bisect_left(self.edits, self.position, key=lambda edit: edit.position)
        if at == len(self.edits) or self.edits[at].position != self.position:
            return False
        self._perform(self.edits[at])
        return True

    def _edit_stops(self, watching: Watching) -> bool:
        return self.host.engine.judge(self.machine, watching, 0, StepKind.NONE, 0)

    def _next_edit(self, limit: int) -> int:
        """Return the position of the next edit, or the limit if that comes first."""
        at = bisect_left(self.edits, self.position, key=lambda edit: edit.position)
        return min(limit, self.edits[at].position) if at < len(self.edits) else limit

    def _last_kept(self) -> int:
        """Return the position of the last place kept at or before this one."""
        return self._moments[bisect_right(self._moments, self.position, key=_place) - 1].position

    def _heard(self) -> None:
        """Remember the events of the steps just done."""
        self.recent.extend(self.host.events())

    def _move(self, position: int) -> None:
        self.position = position
        self.frontier = max(self.frontier, position)

    # -- edits

    def edit(self, text: str, words: Mapping[int, int], patches: Sequence[Patch] = ()) -> None:
        """Change the state by hand: a step of its own, after which the future is open again."""
        if self.is_over():
            raise ReplayError("the run is over here; go back before you change something")
        self.forget_future()
        change = Edit(self.position, text, dict(words), tuple(patches))
        self.edits.append(change)
        self._perform(change)

    def is_over(self) -> bool:
        """Whether nothing that is changed here could make the run go on."""
        return self.end is not None and self.position >= self.end.position

    def forget_future(self) -> None:
        """Make the present position the end of what is recorded."""
        self.edits = [edit for edit in self.edits if edit.position < self.position]
        del self._moments[bisect_right(self._moments, self.position, key=_place) :]
        self.end = None
        self.frontier = self.position

    def _perform(self, edit: Edit) -> None:
        self._change(edit)
        self._move(self.position + 1)

    def _change(self, edit: Edit) -> None:
        """Write what an edit says."""
        for patch in edit.patches:
            self.machine.write(patch.vm, patch.address, patch.data)
        for ref, value in edit.words.items():
            self.host.words[ref] = value

    # -- backwards, and anywhere

    def goto(self, position: int) -> None:
        """Be at a position that has been recorded. Raises ReplayError."""
        if not 0 <= position <= self.frontier:
            raise ReplayError(f"a position must be 0 to {self.frontier}, got {position}")
        self._restore(self._moment_at(position), position)
        while self.position < position:
            if self._redo():
                continue
            halt = self._quiet(position)
            if halt is not None:
                raise ReplayError(
                    f"replaying to position {position} ended at {self.position}: {halt.kind}"
                )

    def _quiet(self, position: int) -> Halt | None:
        """Stretch towards a position past all breakpoints."""
        self._pass_breakpoint()
        halt = self._stretch(position, None)
        if halt is not None and halt.kind == "breakpoint":
            return None
        if halt is not None and self.position == position:
            return None
        return halt

    def remember(self) -> None:
        """Keep a snapshot here, so that coming back is quick."""
        self._remember()

    def last(
        self,
        before: int,
        watching: Watching | None,
        accept: Callable[[Halt], bool],
        *,
        near: int = 0,
        after: bool = False,
    ) -> int | None:
        """Find the last position below `before` where going forward would stop; None: none.

        accept: judges a stop, with the machine at it; it is also told of each `start` of a
        stretch. near: look first this far back, and then ever further. after: only stops that come
        after a step are of interest, so nothing is done beyond the last position in question.
        Leaves the machine anywhere. Raises KeyboardInterrupt if the user interrupts.
        """
        reach = before - 1 if after else before
        while near and near < self.interval and near < before:
            self.goto(before - near)
            self._remember()
            found = self._last_between(before - near, reach, before, watching, accept)
            if found is not None:
                return found
            near *= 8
        for i in range(bisect_left(self._moments, before, key=_place) - 1, -1, -1):
            start = self._moments[i].position
            until = self._moments[i + 1].position if i + 1 < len(self._moments) else before
            found = self._last_between(start, min(until, reach), before, watching, accept)
            if found is not None:
                return found
        return None

    def _last_between(
        self,
        start: int,
        until: int,
        before: int,
        watching: Watching | None,
        accept: Callable[[Halt], bool],
    ) -> int | None:
        self.goto(start)
        accept(Halt("start"))
        found = None
        first = True
        while self.position < until:
            halt = self.forward(until, watching=watching, first=first)
            first = False
            if halt.kind == "interrupted":
                raise KeyboardInterrupt
            if halt.kind in ("breakpoint", "watching") and self.position < before and accept(halt):
                found = self.position
            if halt.kind == "end":
                break
        return found

    def nth_last_ready(self, before: int, vcpu: int, count: int) -> int | None:
        """Find the last position but `count` - 1 below `before` where a vcpu gets ready.

        None: there are fewer. See `Watching` for what that is. Leaves the machine anywhere. Raises
        KeyboardInterrupt if the user interrupts.
        """
        for i in range(bisect_left(self._moments, before, key=_place) - 1, -1, -1):
            start = self._moments[i].position
            until = self._moments[i + 1].position if i + 1 < len(self._moments) else before
            until = min(until, before - 1)
            seen = FAR - self._pass_ready(start, until, vcpu, FAR)
            if seen >= count:
                self._pass_ready(start, until, vcpu, seen - count)
                return self.position
            count -= seen
        return None

    def _pass_ready(self, start: int, until: int, vcpu: int, passes: int) -> int:
        """Go from one position towards another until a vcpu is ready once more than `passes`.

        Returns how many passes are left.
        """
        self.goto(start)
        watching = Watching(ready=vcpu, passes=passes)
        halt = self.forward(until, watching=watching)
        if halt.kind == "interrupted":
            raise KeyboardInterrupt
        return watching.passes

    def _moment_at(self, position: int) -> Moment:
        return self._moments[bisect_right(self._moments, position, key=_place) - 1]

    def _restore(self, moment: Moment, wanted: int) -> None:
        """Return to a place kept, unless the machine is on the way from it already."""
        if moment.position <= self.position <= wanted:
            return
        self._return_to(moment.kept)
        self.host.engine.all_counters.cast("B")[:] = moment.counters
        self.host.instructions = moment.instructions
        self.recent = deque(moment.recent, maxlen=RECENT)
        self.position = moment.position

    def _remember(self) -> None:
        at = bisect_left(self._moments, self.position, key=_place)
        if at < len(self._moments) and self._moments[at].position == self.position:
            return
        moment = Moment(
            self.position,
            self._keep(),
            self.host.instructions,
            self.host.engine.all_counters.tobytes(),
            tuple(self.recent),
        )
        self._moments.insert(at, moment)
        while len(self._moments) > MOST_KEPT:
            self._thin()
        while len(self._moments) > 2 and self.snapshot_bytes > self.most_bytes:
            self._thin()

    def _thin(self) -> None:
        """Drop the place that is missed least: close to others, and far from here."""

        def loss(i: int) -> float:
            gap = self._moments[i + 1].position - self._moments[i - 1].position
            return gap / (1 + abs(self.position - self._moments[i].position))

        candidates = range(1, len(self._moments) - 1)
        del self._moments[min(candidates, key=loss)]


def _place(moment: Moment) -> int:
    return moment.position
