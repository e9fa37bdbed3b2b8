"""What the outcomes of a test mean: herd's verdict, and whether every expectation is met.

Knows nothing of how the outcomes were found.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emu.explore.litmus.condition import holds
from emu.explore.litmus.model import And, Condition, Not, Quantifier, Verdict
from emu.explore.livelock import extent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emu.explore.litmus.model import Litmus, Observable, Value
    from emu.explore.search import Choice, Facts

MISSING: Final = "require"  # the rule of a violation that no schedule shows


@dataclass(frozen=True, slots=True)
class Outcome:
    """One combination of the test's observables, and how it came about.

    count: distinct end states (exhaustive search) or executions (sampling) that show it, from 1.
    schedule: one that leads to it, in the steps of the search that found it. text: the same in
    the finest steps, as text, where that was asked for.
    """

    state: Mapping[Observable, Value]
    count: int
    schedule: Sequence[Choice] = ()
    text: str = ""

    def __str__(self) -> str:
        return " ".join(f"{o}={v};" for o, v in self.state.items())


@dataclass(frozen=True, slots=True)
class Violation:
    """A property that does not hold: which, in what words, and the schedule that shows it.

    condition: what is true of the state that the schedule leads to, and should not be; None: host
    code waits there for ever. at_end: only of a state in which nothing more can happen. loop: of a
    livelock, so many of the schedule's last steps lead back to where they began.
    """

    rule: str
    explanation: str
    schedule: str = ""
    condition: Condition | None = None
    at_end: bool = True
    loop: int = 0


@dataclass(slots=True)
class Result:
    """Everything a search over one test found on one host.

    cut: what bounded the search, in words; empty when it was exhaustive. unjudged: it cannot tell
    whether there are livelocks. violations: of what holds of every test, or of `never`. witnesses:
    for each expectation that an outcome contradicts, one.
    """

    test: Litmus
    host: str
    outcomes: Sequence[Outcome]
    violations: list[Violation] = field(default_factory=list)
    witnesses: list[Violation] = field(default_factory=list)
    states: int = 0
    transitions: int = 0
    executions: int = 0
    cut: str = ""
    unjudged: bool = False
    seconds: float = 0.0
    facts: Facts | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing was cut off."""
        return not self.cut

    @property
    def extent(self) -> str:
        """How far the search went, in words."""
        return extent(self.cut, unjudged=self.unjudged)


class Observation(enum.StrEnum):
    """herd's word for how many end states meet the condition."""

    ALWAYS = "Always"
    SOMETIMES = "Sometimes"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a result.

    met: whether the quantified condition holds, herd's Ok or No.
    positive, negative: outcomes, counted as often as they were seen, that meet the condition or
    do not.
    failures: sentences, one for each expectation that is not met; empty when all is well.
    """

    met: bool
    observation: Observation
    positive: int
    negative: int
    failures: tuple[str, ...]


def unwanted(test: Litmus, host: str) -> tuple[str, Condition] | None:
    """What no end state may be on a host, by the final condition: a sentence, and a condition."""
    expected = next((e.verdict for e in test.expectations if e.host == host), None)
    forbidden = expected is Verdict.FORBIDDEN or (
        expected is None and test.quantifier is Quantifier.NOT_EXISTS
    )
    always = expected is Verdict.ALWAYS or (
        expected is None and test.quantifier is Quantifier.FORALL
    )
    if not forbidden and not always:
        return None
    bad = test.condition if forbidden else Not(test.condition)
    if test.filter is not None:
        bad = And((test.filter, bad))
    rule = "is forbidden" if forbidden else "holds in every end state"
    return f"{test.condition} {rule} on {host}", bad


def judge(result: Result) -> Judgement:
    """Compare the outcomes with the test's condition and expectations for the result's host."""
    test = result.test
    shown = [o for o in result.outcomes if test.filter is None or holds(test.filter, o.state)]
    positive = sum(o.count for o in shown if holds(test.condition, o.state))
    negative = sum(o.count for o in shown) - positive
    if positive and negative:
        observation = Observation.SOMETIMES
    else:
        observation = Observation.ALWAYS if positive else Observation.NEVER
    match test.quantifier:
        case Quantifier.EXISTS:
            met = positive > 0
        case Quantifier.NOT_EXISTS:
            met = positive == 0
        case Quantifier.FORALL:
            met = negative == 0
    failures = [v.explanation for v in result.violations]
    failures += _unmet(result, met, observation)
    return Judgement(met, observation, positive, negative, tuple(failures))


def _unmet(result: Result, met: bool, observation: Observation) -> list[str]:
    """The expectations that the outcomes contradict, in words."""
    test, host = result.test, result.host
    failures: list[str] = []
    expected = [e for e in test.expectations if e.host == host]
    for expectation in expected:
        agrees = {
            Verdict.ALLOWED: True,  # or it is missing
            Verdict.FORBIDDEN: observation is Observation.NEVER,
            Verdict.ALWAYS: observation is Observation.ALWAYS,
        }[expectation.verdict]
        if not agrees:
            failures.append(
                f"{test.condition} is {expectation.verdict} on {host}, observed {observation}",
            )
    if not expected and test.quantifier is not Quantifier.EXISTS and not met:
        failures.append(f"{test.quantifier} ({test.condition}) does not hold")
    return failures + [violation.explanation for violation in missing(result)]


def missing(result: Result) -> list[Violation]:
    """What must be reachable on the result's host and is not, without a schedule.

    What a bounded search has not seen may still be there, so it is not missing.
    """
    test, host = result.test, result.host
    if not result.complete:
        return []
    allowed = any(e.host == host and e.verdict is Verdict.ALLOWED for e in test.expectations)
    wanted = {}
    if allowed:
        condition = test.condition if test.filter is None else And((test.filter, test.condition))
        wanted[condition] = f"{test.condition} is {Verdict.ALLOWED} on {host}, observed Never"
    for requirement in test.requirements:
        if host in requirement.hosts or not requirement.hosts:
            condition = requirement.condition
            wanted[condition] = f"{condition} must be reachable on {host}, and is not"
    return [
        Violation(MISSING, explanation, condition=condition)
        for condition, explanation in wanted.items()
        if not any(holds(condition, outcome.state) for outcome in result.outcomes)
    ]
