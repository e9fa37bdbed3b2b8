"""Fair livelocks: who goes round for ever in one, in words, and whether a round of steps is fair.

Knows schedules; knows nothing of how a round was found (csrc/explore_scc.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emu.explore.search import ChoiceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emu.explore.search import Choice, Search, Wrong
    from emu.hv.host import Host

RULE: Final = "livelock"
MAX_ROUND: Final = 2000  # steps; a longer round is left as it is


class Runner(NamedTuple):
    """Somebody who goes round.

    vcpu: whose guest, or None: it is host code of `actor`. first, last: addresses of the guest's
    code, the lowest and the highest that was seen; -1: there is no guest.
    """

    actor: int
    vcpu: int | None
    first: int = -1
    last: int = -1

    @property
    def where(self) -> str:
        """The addresses, in words."""
        if self.first == self.last:
            return f"{self.first:#x}"
        return f"{self.first:#x} to {self.last:#x}"


class Lasso(NamedTuple):
    """A livelock's schedule in the finest steps: the last `loop` of them are its round.

    runners: who goes round.
    """

    schedule: tuple[Choice, ...]
    loop: int
    runners: tuple[Runner, ...]


class _Step(NamedTuple):
    """A step of a walk: the state before it, what was possible there, what was taken by whom."""

    state: int
    possible: tuple[Choice, ...]
    taken: Choice
    runner: Runner | None


def lasso(search: Search, host: Host | None, found: Wrong) -> Lasso:
    """The livelock that a search found, in the finest steps, without detours."""
    schedule = search.refined(found.schedule)
    begin = len(search.refined(found.schedule[: len(found.schedule) - found.loop]))
    was = search.fine(True)
    try:
        walk = list(_walked(search, host, schedule))
    finally:
        search.fine(was)
    round_ = _shortened(walk[begin:], fair=True)
    way = _shortened([*walk[:begin], round_[0]], fair=False)[:-1]
    steps = [step.taken for step in (*way, *round_)]
    return Lasso(tuple(steps), len(round_), tuple(_merged(round_)))


def _walked(search: Search, host: Host | None, schedule: Sequence[Choice]) -> Iterator[_Step]:
    """Take the steps of a schedule from the start."""
    search.reset()
    for choice in schedule:
        wire = choice.kind in (ChoiceKind.DELIVER, ChoiceKind.TIMER)
        runner = None if wire else _runner(search, host, choice.actor)
        yield _Step(search.hash(), tuple(search.choices()), choice, runner)
        search.take(choice)


def _shortened(steps: Sequence[_Step], *, fair: bool) -> list[_Step]:
    """The steps without those between a state and the same state again.

    fair: they are a round, which must stay fair and not become empty.
    """
    kept: list[_Step] = []
    places: dict[int, list[int]] = {}  # of each state among those that are kept
    for number, step in enumerate(steps):
        for at in places.get(step.state, ()):
            rest = [*kept[:at], *steps[number:]]
            if not fair or (len(rest) < MAX_ROUND and is_fair((s.possible, s.taken) for s in rest)):
                for dropped in kept[at:]:
                    places[dropped.state].pop()
                del kept[at:]
                break
        places.setdefault(step.state, []).append(len(kept))
        kept.append(step)
    return kept


def _merged(steps: Iterable[_Step]) -> list[Runner]:
    """Who goes round: guests first.

    Host code of a thread whose guest goes round as well is not named: that is what brings it in
    and out.
    """
    found: dict[tuple[int, int | None], Runner] = {}
    for runner in (step.runner for step in steps if step.runner is not None):
        known = found.get(runner[:2], runner)
        first, last = min(known.first, runner.first), max(known.last, runner.last)
        found[runner[:2]] = known._replace(first=first, last=last)
    guests = sorted((r for r in found.values() if r.vcpu is not None), key=lambda r: r.vcpu or 0)
    busy = {runner.actor for runner in guests}
    return guests + sorted(r for r in found.values() if r.vcpu is None and r.actor not in busy)


def _runner(search: Search, host: Host | None, actor: int) -> Runner:
    stand = search.stand(actor)
    if stand.host:
        if host is None or actor >= len(host.vcpus):
            return Runner(actor, None)
        nia = host.words[host.vcpus[actor].arch.nia]
        return Runner(actor, None, nia, nia)
    vcpu = actor if host is None else host.engine.guest(host.machine, actor)
    return Runner(actor, vcpu, stand.nia, stand.nia)


def sentence(found: Iterable[Runner], guest: str, host: Host | None) -> str:
    """Who goes round for ever, in words. guest: what a vcpu is called, in front of its number."""
    words = []
    for runner in found:
        if runner.vcpu is not None:
            words.append(f"{guest}{runner.vcpu} goes round for ever at {runner.where}")
        elif host is not None:
            called = f", its guest at {runner.where}" if runner.first >= 0 else ""
            name = host.actor_name(runner.actor)
            words.append(f"{name} goes round for ever in host code{called}")
    return ", ".join(words)


def extent(cut: str, *, unjudged: bool) -> str:
    """How far a search went, in words. unjudged: it cannot tell whether there are livelocks."""
    return cut or ("exhaustive, livelock not judged" if unjudged else "exhaustive")


def is_fair(round_: Iterable[tuple[Sequence[Choice], Choice]]) -> bool:
    """Whether everybody who could step somewhere in a round does step in it.

    round_: what was possible, and what was taken, step by step. A stwcx. that fails without a
    reason cannot do so in every round.
    """
    could: set[tuple[int, str]] = set()
    steps: set[tuple[int, str]] = set()
    for possible, taken in round_:
        if taken.kind is ChoiceKind.FAIL:
            return False
        could.update(map(_process, possible))
        steps.add(_process(taken))
    return could <= steps


def _process(choice: Choice) -> tuple[int, str]:
    """Who steps: the alternatives of an instruction are the same actor's."""
    kind = ChoiceKind.GO if choice.kind is ChoiceKind.FAIL else choice.kind
    return choice.actor, kind.name
