"""The last step of a case's schedule before which what is wrong could still be avoided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emu.errors import ReplayError
from emu.explore.replay import scene_of

if TYPE_CHECKING:
    from emu.explore.case import Case
    from emu.explore.litmus.laboratory import Laboratory

MAX_STATES: Final = 200_000  # of one search


@dataclass(frozen=True, slots=True)
class Avoidable:
    """steps: how many steps of the schedule lead to the last state from which a good end follows.

    -1: a good end follows from none, so the program and not the schedule is to blame. exact: no
    search was cut off, so that the next step is sure to have decided it.
    """

    steps: int
    exact: bool

    def __str__(self) -> str:
        if self.steps < 0:
            return "no interleaving of this program ends well"
        sure = "" if self.exact else ", as far as the search went"
        return f"step {self.steps} decides it: until then a good end could be reached{sure}"


def last_avoidable(
    case: Case, max_states: int = MAX_STATES, laboratory: Laboratory | None = None
) -> Avoidable:
    """The last point of a case's schedule from which it could still have ended well.

    The bugs of the case must be on. A good end is one that the case's condition is not true of; of
    a rule about states on the way, one that is reached without such a state; of threads that go
    round for ever, any end. Found by halving: where a good end follows from a state it does from
    all before it. laboratory: as of scene_of(). Raises ReplayError for an outcome that is missing,
    which no schedule shows.
    """
    if case.invariant:
        raise ReplayError(f"no search looks for the invariant that is broken: {case.expected}")
    if case.missing:
        raise ReplayError(f"no schedule leads to what is missing: {case.expected}")
    low, high, exact = -1, len(case.schedule), True  # good follows from low, not from high
    while high - low > 1:
        middle = (low + high) // 2
        good, whole = _ends_well(case, middle, max_states, laboratory)
        exact = exact and (good or whole)
        low, high = (middle, high) if good else (low, middle)
    return Avoidable(low, exact)


def _ends_well(
    case: Case, steps: int, max_states: int, laboratory: Laboratory | None
) -> tuple[bool, bool]:
    """Whether a good end follows from the state after so many steps; whether all was searched."""
    scene = scene_of(case, max_states, laboratory, avoid=not case.at_end)
    search = scene.search
    search.reset()
    for choice in case.schedule[:steps]:
        search.take(choice)
    search.begin_here()
    ended = search.run()
    good = any(not scene.judge(found.values) for found in ended.outcomes)
    return good, not ended.cut
