"""A counterexample made small: the schedule with the fewest context switches, then the program.

Each smaller program is searched again, breadth first by context switches: nothing is sampled, so
the same test always shrinks to the same one. Knows nothing of how the test was found.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emu.errors import ReplayError
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.parse import parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.text import litmus_text
from emu.explore.replay import scene_of
from emu.explore.search import Algorithm, Options, SearchRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emu.explore.case import Case
    from emu.explore.litmus.model import Cell, Litmus
    from emu.explore.litmus.verdict import Violation

MAX_STATES: Final = 200_000  # of one search
MAX_TRIED: Final = 400  # programs
# What holds of every program, so that a smaller one that breaks it is as wrong. The condition of a
# test, in contrast, means something only with its program.
UNIVERSAL: Final = frozenset({"lost", "deadlock"})


@dataclass(frozen=True, slots=True)
class Minimised:
    """The smallest test found, its violation, and how many programs were searched for it."""

    test: Litmus
    violation: Violation
    tried: int


def fewest_switches(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None = None
) -> Violation | None:
    """The violation of a rule with the fewest context switches; None: none within the bounds.

    `options.max_states` bounds the search. Raises LitmusError and SearchRefusedError.
    """
    ordered = replace(options, algorithm=Algorithm.BFS, preemptions=None, ample=False)
    result = run(test, ordered, host, laboratory=laboratory)
    found = (*result.violations, *result.witnesses)
    return next((violation for violation in found if violation.rule == rule), None)


def minimise(
    test: Litmus,
    fails: Callable[[Litmus], Violation | None],
    max_tried: int = MAX_TRIED,
) -> Minimised | None:
    """The smallest test, by dropping parts one by one, that still fails; None: it does not at all.

    fails: searches a test and returns what is wrong with it, or None.
    """
    violation = _attempt(test, fails)
    if violation is None:
        return None
    tried = 1
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(test):
            if tried == max_tried:
                break
            tried += 1
            found = _attempt(candidate, fails)
            if found is not None:
                test, violation, smaller = candidate, found, True
                break
    return Minimised(test, violation, tried)


def minimised(test: Litmus, host: str, options: Options, rule: str) -> Minimised | None:
    """Make a violation that `run` found small; None if the bounds do not let it be found again.

    The program shrinks only if the rule is one that holds of every program.
    """
    laboratory = Laboratory()
    bounded = replace(options, max_states=min(options.max_states, MAX_STATES))

    def fails(candidate: Litmus) -> Violation | None:
        return fewest_switches(candidate, host, bounded, rule, laboratory)

    return minimise(test, fails, MAX_TRIED if rule in UNIVERSAL else 1)


def _attempt(test: Litmus, fails: Callable[[Litmus], Violation | None]) -> Violation | None:
    try:
        return fails(parse(test.text, test.path))
    except (LitmusError, SearchRefusedError):  # the part was needed
        return None


# ---- smaller tests ---------------------------------------------------------------------------


def _smaller(test: Litmus) -> Iterator[Litmus]:
    """Every test with one part less, the largest parts first."""
    for thread in reversed(range(len(test.threads))):
        if test.threads[thread]:
            yield _with(test, threads=_replaced(test.threads, thread, []))
        elif thread == len(test.threads) - 1 > 0:
            yield _with(test, threads=test.threads[:-1])
    for index in range(len(test.handlers)):
        yield _with(test, handlers=[*test.handlers[:index], *test.handlers[index + 1 :]])
    if "Agent" in test.header:
        agents = test.header["Agent"].split(",")
        for index in range(len(agents)):
            left = ",".join([*agents[:index], *agents[index + 1 :]])
            header = {key: value for key, value in test.header.items() if key != "Agent"}
            yield _with(test, header={**header, "Agent": left} if left else header)
    for thread, cells in enumerate(test.threads):
        for index in reversed(range(len(cells))):
            less = [*cells[:index], *cells[index + 1 :]]
            yield _with(test, threads=_replaced(test.threads, thread, less))
    for register in test.registers:
        left_over = {r: v for r, v in test.registers.items() if r != register}
        yield _with(test, registers=left_over)


def _replaced(threads: list[list[Cell]], thread: int, cells: list[Cell]) -> list[list[Cell]]:
    return [*threads[:thread], cells, *threads[thread + 1 :]]


def _with(test: Litmus, **parts: object) -> Litmus:
    other = copy(test)
    for name, value in parts.items():
        setattr(other, name, value)
    other.text = litmus_text(other)
    return other


# ---- the last point at which it could be avoided ------------------------------------------------


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


def last_avoidable(case: Case, max_states: int = MAX_STATES) -> Avoidable:
    """The last point of a case's schedule from which it could still have ended well.

    The bugs of the case must be on. A good end is one that the case's condition is not true of.
    Found by halving: where a good end follows from a state it does from all before it. Raises
    ReplayError for a rule of states on the way, which a good end says nothing about.
    """
    if not case.at_end:
        raise ReplayError(f"{case.property} is about states on the way, not about the end")
    low, high, exact = -1, len(case.schedule), True  # good follows from low, not from high
    while high - low > 1:
        middle = (low + high) // 2
        good, whole = _ends_well(case, middle, max_states)
        exact = exact and (good or whole)
        low, high = (middle, high) if good else (low, middle)
    return Avoidable(low, exact)


def _ends_well(case: Case, steps: int, max_states: int) -> tuple[bool, bool]:
    """Whether a good end follows from the state after so many steps; whether all was searched."""
    scene = scene_of(case, max_states=max_states)
    search = scene.search
    search.reset()
    for choice in case.schedule[:steps]:
        search.take(choice)
    search.begin_here()
    ended = search.run()
    return any(not scene.judge(found.values) for found in ended.outcomes), not ended.cut
