"""A counterexample made small: fewest context switches, then shortest, then the program.

Each smaller program is searched again, all of it: nothing is sampled, so the same test always
shrinks to the same one. Knows nothing of how the test was found.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

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

    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.verdict import Result, Violation

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


def minimised(
    test: Litmus, host: str, options: Options, violation: Violation, max_tried: int = MAX_TRIED
) -> Minimised | None:
    """Make small what `run` found wrong; None if the bounds do not let it be found again.

    The bugs of the zoo with which it was found must be on. A smaller program counts if the same
    rule is broken in it and it is as much of a counterexample: with a bug on, the code without the
    bug keeps the rule in every interleaving; else, the program can also keep it, if the whole one
    can. Of rules that hold of every program nothing more is asked.
    """
    rule = violation.rule
    laboratory = Laboratory()
    bounded = replace(options, max_states=min(options.max_states, MAX_STATES))
    if rule == LIVELOCK:  # only a search depth first finds one
        bounded = replace(bounded, algorithm=Algorithm.DFS, preemptions=None)
    focus = focused(test, host, violation)
    small, tried = test, 1  # if it needs what is left out, or is too large to be searched again
    for demanding in (True, False) if not in_force() else (True,):
        accepts = _Accepts(host, bounded, rule, laboratory, demanding=demanding)
        if accepts(parse(focus.text, test.path)) is not None:
            small, tried = minimise(focus, accepts, max_tried)
            break
    if rule in (MISSING, LIVELOCK):
        found = _violation(parse(small.text, test.path), host, bounded, rule, laboratory)
        return None if found is None else Minimised(small, found, tried)
    found = fewest_switches(parse(small.text, test.path), host, options, rule, laboratory)
    if found is not None:
        return Minimised(small, found, tried)
    found = fewest_preemptions(parse(small.text, test.path), host, options, rule, laboratory)
    return None if found is None else Minimised(small, found, tried, fewest=False)


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
    """Whether a smaller program is a counterexample too: returns what is wrong with it."""

    def __init__(
        self,
        host: str,
        options: Options,
        rule: str,
        laboratory: Laboratory,
        *,
        demanding: bool = True,
    ) -> None:
        """demanding: a broken rule is not enough."""
        self._host = host
        self._options = options
        self._rule = rule
        self._laboratory = laboratory
        self._demanding = demanding and rule not in UNIVERSAL
        self._healthy = Laboratory()  # its machines learn the code without the bugs

    def __call__(self, test: Litmus) -> Violation | None:
        """Search it. Raises LitmusError and SearchRefusedError."""
        text, path = test.text, test.path
        found = _violation(test, self._host, self._options, self._rule, self._laboratory)
        if found is None or not self._demanding:
            return found
        again = parse(text, path)
        kept = self._kept_without_bugs(again) if in_force() else self._can_be_kept(again)
        return found if kept else None

    def _kept_without_bugs(self, test: Litmus) -> bool:
        with unedited():
            result = run(test, self._options, self._host, laboratory=self._healthy)
        # A bound that the test itself sets is what its author found enough.
        enough = result.complete or ("Limit" in test.header and "up to" in result.cut)
        return enough and not _broken(result, self._rule)

    def _can_be_kept(self, test: Litmus) -> bool:
        """Whether some interleaving keeps the rule."""
        if self._rule == MISSING:
            return True
        if self._rule == "never":
            avoiding = replace(self._options, algorithm=Algorithm.DFS, avoid=True)
            return bool(run(test, avoiding, self._host, laboratory=self._laboratory).outcomes)
        result = run(test, self._options, self._host, laboratory=self._laboratory)
        if self._rule == LIVELOCK:
            return bool(result.outcomes)
        bad = _broken(result, self._rule)[0].condition
        return bad is not None and any(not holds(bad, o.state) for o in result.outcomes)


def _broken(result: Result, rule: str) -> list[Violation]:
    found = (*result.violations, *result.witnesses, *missing(result))
    return [violation for violation in found if violation.rule == rule]


def _violation(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None
) -> Violation | None:
    """What breaks a rule, by any schedule."""
    result = run(test, options, host, laboratory=laboratory)
    return next(iter(_broken(result, rule)), None)


def fewest_switches(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None = None
) -> Violation | None:
    """The violation of a rule with the fewest context switches; None: none within the bounds.

    `options.max_states` bounds the search, and BFS_STATES does. Raises LitmusError and
    SearchRefusedError.
    """
    states = min(options.max_states, BFS_STATES)
    ordered = replace(
        options, algorithm=Algorithm.BFS, preemptions=None, ample=False, max_states=states
    )
    return _violation(test, host, ordered, rule, laboratory)


def fewest_preemptions(
    test: Litmus, host: str, options: Options, rule: str, laboratory: Laboratory | None = None
) -> Violation | None:
    """The violation of a rule with the fewest preemptions, depth first within growing bounds.

    It takes less memory than to go by context switches. Raises LitmusError and SearchRefusedError.
    """
    for bound in range(MAX_PREEMPTIONS + 1):
        bounded = replace(options, algorithm=Algorithm.DFS, preemptions=bound)
        found = _violation(parse(test.text, test.path), host, bounded, rule, laboratory)
        if found is not None:
            return found
    return None
