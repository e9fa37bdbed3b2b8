"""Refinement: what a guest can see on one host lies within what it can see on another.

Both hosts are searched with the same test, and outcomes are compared as sets. Only what a guest
sees counts: registers, memory, interrupts taken, what is pending, blocked or lost; traps do not.
Native doorbells arrive when they like, so a delay is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from emu.errors import ConfigError
from emu.explore.deviations import DEVIATIONS
from emu.explore.litmus.condition import holds, parse_condition
from emu.explore.litmus.model import HOSTS, And, Equal, Ghost, GhostKind, Quantifier, Truth
from emu.explore.litmus.run import run
from emu.explore.search import Algorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emu.explore.deviations import Deviation
    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Condition, Litmus, Observable, Value
    from emu.explore.litmus.verdict import Result
    from emu.explore.search import Options

State: TypeAlias = "tuple[tuple[Observable, Value], ...]"


@dataclass(frozen=True, slots=True)
class Pair:
    """The host whose outcomes must lie within the other's."""

    host: str
    within: str

    def __str__(self) -> str:
        return f"{self.host} within {self.within}"


@dataclass(frozen=True, slots=True)
class Extra:
    """An outcome that only the first host has. deviation: which one it is, None: not accepted.

    schedule: in fine steps, one with the fewest context switches that leads to it.
    """

    state: State
    deviation: str | None
    schedule: str

    def __str__(self) -> str:
        return " ".join(f"{observable}={value};" for observable, value in self.state)


@dataclass(frozen=True, slots=True)
class Refinement:
    """What the comparison of one test came to.

    outcomes: how many distinct ones each host has. cut: what bounded the searches, in words;
    empty: both were exhaustive. failures: sentences, none if the test refines.
    """

    test: Litmus
    pair: Pair
    outcomes: tuple[int, int]
    extras: tuple[Extra, ...]
    cut: str
    failures: tuple[str, ...]


def parse_pair(text: str) -> Pair:
    """Read `power9:power8`. Raises ConfigError."""
    host, _, within = text.partition(":")
    if host not in HOSTS or within not in HOSTS or host == within:
        known = ", ".join(HOSTS)
        raise ConfigError(f"a refinement is written HOST:HOST with two of {known}, got {text[:40]}")
    return Pair(host, within)


def refine(
    test: Litmus, pair: Pair, options: Options, laboratory: Laboratory | None = None
) -> Refinement:
    """Compare the outcomes of a test on two hosts.

    Raises LitmusError and SearchRefusedError as run() does.
    """
    fine = run(test, options, pair.host, laboratory=laboratory)
    coarse = run(test, options, pair.within, laboratory=laboratory)
    mine, allowed = _states(fine), _states(coarse)
    if coarse.cut and mine - allowed and "Limit" in test.header:
        # The test's bound may be all that is in the way of an outcome.
        header = {key: value for key, value in test.header.items() if key != "Limit"}
        coarse = run(replace(test, header=header), options, pair.within, laboratory=laboratory)
        allowed = _states(coarse)
    accepted = {e.deviation for e in test.expectations if e.host == pair.host} - {None}
    extras, failures = [], []
    for state in sorted(mine - allowed, key=str):
        values = dict(state)
        deviation = next(iter(accepted), None) if holds(test.condition, values) else None
        known = DEVIATIONS.get(deviation or "")
        if known is None or (known.host, known.within) != (pair.host, pair.within):
            deviation = None
        extra = Extra(state, deviation, _schedule(test, state, pair.host, options, laboratory))
        extras.append(extra)
        if deviation is None:
            bound = f", where the search was {coarse.cut}" if coarse.cut else ""
            failures.append(f"{extra} is possible on {pair.host} and not on {pair.within}{bound}")
    failures += _stale(test, pair, extras)
    done = Refinement(
        test=test,
        pair=pair,
        outcomes=(len(mine), len(allowed)),
        extras=tuple(extras),
        cut="; ".join(f"{r.host}: {r.cut}" for r in (fine, coarse) if r.cut),
        failures=tuple(failures),
    )
    failures += [f"{d.outcome}, the witness of {d.name}, is gone" for d in unwitnessed(done)]
    return replace(done, failures=tuple(failures))


def unwitnessed(refinement: Refinement) -> list[Deviation]:
    """The deviations whose witness the test is, and which it does not show."""
    pair = refinement.pair
    return [
        deviation
        for deviation in DEVIATIONS.values()
        if (deviation.host, deviation.within) == (pair.host, pair.within)
        and deviation.test == refinement.test.name
        and not any(
            extra.deviation == deviation.name
            and holds(parse_condition(deviation.outcome), dict(extra.state))
            for extra in refinement.extras
        )
    ]


def _stale(test: Litmus, pair: Pair, extras: Iterable[Extra]) -> list[str]:
    """Deviations that the test claims, and that do not exist or are not seen."""
    seen = {extra.deviation for extra in extras}
    failures = []
    for expectation in test.expectations:
        name = expectation.deviation
        if name is None or expectation.host != pair.host:
            continue
        known = DEVIATIONS.get(name)
        if known is None:
            failures.append(f"there is no deviation {name}; there are {', '.join(DEVIATIONS)}")
        elif known.within == pair.within and name not in seen:
            failures.append(f"the deviation {name} is claimed, and no outcome shows it")
    return failures


def _states(result: Result) -> set[State]:
    return {_visible(outcome.state) for outcome in result.outcomes}


def _visible(state: Mapping[Observable, Value]) -> State:
    """What the guest sees of an end state."""
    return tuple(
        (observable, value)
        for observable, value in state.items()
        if not (isinstance(observable, Ghost) and observable.kind is GhostKind.TRAP)
    )


def _schedule(
    test: Litmus, state: State, host: str, options: Options, laboratory: Laboratory | None
) -> str:
    """Find the outcome again, by the fewest context switches; empty if a bound is in the way."""
    parts: list[Condition] = [Equal(observable, value) for observable, value in state]
    asked = replace(
        test,
        quantifier=Quantifier.NOT_EXISTS,
        condition=And((Truth(value=True), *parts)),
        expectations=[],
        header={key: value for key, value in test.header.items() if key != "Limit"},
    )
    shortest = replace(options, algorithm=Algorithm.BFS, preemptions=None)
    found = run(asked, shortest, host, laboratory=laboratory)
    return next((w.schedule for w in found.witnesses), "")
