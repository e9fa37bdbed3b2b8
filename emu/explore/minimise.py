"""A counterexample made small: fewest context switches, then shortest, then the program.

Each smaller program is searched again, all of it: nothing is sampled, so the same test always
shrinks to the same one. Knows nothing of how the test was found.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emu.errors import EmuError
from emu.explore.litmus.condition import holds
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.model import Not, Quantifier, Requirement, Truth
from emu.explore.litmus.parse import parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.text import litmus_text
from emu.explore.litmus.verdict import MISSING, missing
from emu.explore.livelock import RULE as LIVELOCK
from emu.explore.search import Algorithm, Options, SearchRefusedError
from emu.explore.smaller import smaller
from emu.hv.edit import in_force, unedited

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.verdict import Result, Violation
    from emu.explore.search import Facts

    _Search: TypeAlias = Callable[[Litmus, Options], Result]

MAX_STATES: Final = 500_000  # of the search over a smaller program
BFS_STATES: Final = 1_000_000  # of the search by context switches
MAX_TRIED: Final = 600  # programs
MAX_PREEMPTIONS: Final = 8  # tried one after the other, where breadth first is too much
# What holds of every program, so that a smaller one that breaks it is as wrong.
UNIVERSAL: Final = frozenset({"lost", "deadlock"})


@dataclass(frozen=True, slots=True)
class Minimised:
    """The smallest test found, its violation, and how many programs were searched for it.

    fewest: no schedule of it has fewer context switches, and of those none is shorter.
    """

    test: Litmus
    violation: Violation
    tried: int
    fewest: bool = True


class _StoppedError(EmuError):
    """Whoever asked does not want to wait any longer."""


class _Searches:
    """Searches programs on a host. go_on: told how many were before; False: stop."""

    def __init__(self, host: str, go_on: Callable[[int], bool] | None) -> None:
        self.host = host
        self.tried = 0
        self._go_on = go_on
        self._laboratory = Laboratory()
        self._healthy = Laboratory()  # its machines learn the code without the bugs

    def __call__(self, test: Litmus, options: Options, *, bugs: bool = True) -> Result:
        """Search one. Raises LitmusError, SearchRefusedError and _StoppedError."""
        self._check()
        self.tried += 1
        laboratory = self._laboratory if bugs else self._healthy
        return run(test, options, self.host, self._check, laboratory)

    def _check(self, _facts: Facts | None = None) -> bool:
        if self._go_on is not None and not self._go_on(self.tried):
            raise _StoppedError
        return True


def minimised(
    test: Litmus,
    host: str,
    options: Options,
    violation: Violation,
    max_tried: int = MAX_TRIED,
    go_on: Callable[[int], bool] | None = None,
) -> Minimised | None:
    """Make small what `run` found wrong; None if the bounds do not let it be found again.

    The bugs of the zoo with which it was found must be on. A smaller program counts if the same
    rule is broken in it and it is as much of a counterexample: with a bug on, the code without the
    bug keeps the rule in every interleaving; else, the program can also keep it, if the whole one
    can. Of rules that hold of every program nothing more is asked. go_on: asked again and again,
    told how many searches there were; False ends it with the smallest that was found until then.
    """
    rule = violation.rule
    searches = _Searches(host, go_on)
    bounded = replace(options, max_states=min(options.max_states, MAX_STATES))
    if rule == LIVELOCK:  # only a search depth first finds one
        bounded = replace(bounded, algorithm=Algorithm.DFS, preemptions=None)
    accepts = _Accepts(searches, bounded, rule, (test, violation))
    try:
        small, tried = _shrunk(test, focused(test, host, violation), accepts, max_tried)
        text, path = small.text, test.path
        if rule in (MISSING, LIVELOCK):
            found = _violation(searches, parse(text, path), bounded, rule)
            return None if found is None else Minimised(small, found, tried)
        found = _fewest_switches(searches, parse(text, path), options, rule)
        if found is not None:
            return Minimised(small, found, tried)
        found = _fewest_preemptions(searches, parse(text, path), options, rule)
        return None if found is None else Minimised(small, found, tried, fewest=False)
    except _StoppedError:
        return Minimised(*accepts.best, searches.tried, fewest=False)


def _shrunk(test: Litmus, focus: Litmus, accepts: _Accepts, max_tried: int) -> tuple[Litmus, int]:
    """The smallest program. focus: the test without what its rule does not need."""
    for demanding in (True, False) if not in_force() else (True,):
        accepts.demanding = demanding
        if accepts(parse(focus.text, test.path)) is not None:
            return minimise(focus, accepts, max_tried)
    return test, 1  # it needs what is left out, or is too large to be searched again


def minimise(
    test: Litmus, fails: Callable[[Litmus], Violation | None], max_tried: int = MAX_TRIED
) -> tuple[Litmus, int]:
    """The smallest test, by dropping parts one by one, that still fails; and how many were tried.

    fails: searches a test and returns what is wrong with it, or None.
    """
    tried = 1
    shrinking = True
    while shrinking:
        shrinking = False
        for candidate in smaller(test):
            if tried == max_tried:
                break
            tried += 1
            if _attempt(candidate, fails) is not None:
                test, shrinking = candidate, True
                break
    return test, tried


def _attempt(test: Litmus, fails: Callable[[Litmus], Violation | None]) -> Violation | None:
    try:
        return fails(parse(test.text, test.path))
    except (LitmusError, SearchRefusedError):  # the part was needed
        return None


def focused(test: Litmus, host: str, violation: Violation) -> Litmus:
    """The test on one host, asking for nothing but the rule that is broken."""
    other = copy(test)
    if "Hosts" in test.header:
        other.header = {**test.header, "Hosts": host}
    other.quantifier, other.condition = Quantifier.EXISTS, Truth(value=True)
    other.filter = None
    other.locations, other.expectations = [], []
    other.requirements, other.prohibitions = [], []
    condition = violation.condition
    match violation.rule, condition:
        case ("condition", Not(of=of)):
            other.quantifier, other.condition = Quantifier.FORALL, of
        case ("condition", bad) if bad is not None:
            other.quantifier, other.condition = Quantifier.NOT_EXISTS, bad
        case ("never", _):
            rules = [p for p in test.prohibitions if p.condition == condition]
            other.prohibitions = [replace(rule, hosts=()) for rule in rules]
        case (rule, wanted) if rule == MISSING and wanted is not None:
            other.requirements = [Requirement((), wanted)]
    other.text = litmus_text(other)
    return other


# ---- searching it again --------------------------------------------------------------------------


class _Accepts:
    """Whether a smaller program is a counterexample too: returns what is wrong with it.

    best: the last program that was, or the whole one. demanding: a broken rule is not enough.
    """

    def __init__(
        self, searches: _Searches, options: Options, rule: str, whole: tuple[Litmus, Violation]
    ) -> None:
        self.best = whole
        self.demanding = True
        self._searches = searches
        self._options = options
        self._rule = rule

    def __call__(self, test: Litmus) -> Violation | None:
        """Search it. Raises LitmusError, SearchRefusedError and _StoppedError."""
        text, path = test.text, test.path
        found = _violation(self._searches, test, self._options, self._rule)
        if found is None:
            return None
        if self.demanding and self._rule not in UNIVERSAL:
            again = parse(text, path)
            if not (self._kept_without_bugs(again) if in_force() else self._can_be_kept(again)):
                return None
        self.best = parse(text, path), found
        return found

    def _kept_without_bugs(self, test: Litmus) -> bool:
        with unedited():
            result = self._searches(test, self._options, bugs=False)
        # A bound that the test itself sets is what its author found enough.
        enough = result.complete or ("Limit" in test.header and "up to" in result.cut)
        return enough and not _broken(result, self._rule)

    def _can_be_kept(self, test: Litmus) -> bool:
        """Whether some interleaving keeps the rule."""
        if self._rule == MISSING:
            return True
        if self._rule == "never":
            avoiding = replace(self._options, algorithm=Algorithm.DFS, avoid=True)
            return bool(self._searches(test, avoiding).outcomes)
        result = self._searches(test, self._options)
        if self._rule == LIVELOCK:
            return bool(result.outcomes)
        bad = _broken(result, self._rule)[0].condition
        return bad is not None and any(not holds(bad, o.state) for o in result.outcomes)


def _broken(result: Result, rule: str) -> list[Violation]:
    found = (*result.violations, *result.witnesses, *missing(result))
    return [violation for violation in found if violation.rule == rule]


def _violation(search: _Search, test: Litmus, options: Options, rule: str) -> Violation | None:
    """What breaks a rule, by any schedule."""
    return next(iter(_broken(search(test, options), rule)), None)


def fewest_switches(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None = None
) -> Violation | None:
    """The violation of a rule with the fewest context switches; None: none within the bounds.

    `options.max_states` bounds the search, and BFS_STATES does. Raises LitmusError and
    SearchRefusedError.
    """
    return _fewest_switches(_search_on(host, laboratory), test, options, rule)


def _fewest_switches(
    search: _Search, test: Litmus, options: Options, rule: str
) -> Violation | None:
    states = min(options.max_states, BFS_STATES)
    ordered = replace(
        options, algorithm=Algorithm.BFS, preemptions=None, ample=False, max_states=states
    )
    return _violation(search, test, ordered, rule)


def fewest_preemptions(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None = None
) -> Violation | None:
    """The violation of a rule with the fewest preemptions, depth first within growing bounds.

    It takes less memory than to go by context switches. Raises LitmusError and SearchRefusedError.
    """
    return _fewest_preemptions(_search_on(host, laboratory), test, options, rule)


def _search_on(host: str, laboratory: Laboratory | None) -> _Search:
    return lambda test, options: run(test, options, host, laboratory=laboratory)


def _fewest_preemptions(
    search: _Search, test: Litmus, options: Options, rule: str
) -> Violation | None:
    for bound in range(MAX_PREEMPTIONS + 1):
        bounded = replace(options, algorithm=Algorithm.DFS, preemptions=bound)
        found = _violation(search, parse(test.text, test.path), bounded, rule)
        if found is not None:
            return found
    return None
