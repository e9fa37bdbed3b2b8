"""Walks: schedules step by step, with the invariants of the hypervisor looked at after each.

A search looks at ends. What must hold on the way, of host code and hardware rather than of the
guest, is looked at along single schedules. Knows nothing of how a schedule was found.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import StepKind, Stop, Verdict
from emu.explore.search import ChoiceKind
from emu.hv.invariants.cede import Cede
from emu.hv.invariants.checker import Checker
from emu.hv.invariants.partition import Partition
from emu.hv.invariants.registers import Registers

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from emu.explore.search import Choice, Search
    from emu.hv.host import Host

INVARIANT: Final = "invariant"  # the rule of a violation by the last step of a schedule
# Not those of a vcore's life: an interrupt between threads may be on its way here for long.
FAMILIES: Final = (Partition, Cede, Registers)
MAX_STEPS: Final = 5_000  # of a walk, or of host code between two points
STAYS: Final = 0.9  # how likely the actor that took the last step takes the next one too


class Breach(NamedTuple):
    """An invariant that a schedule's last step breaks, in a sentence."""

    sentence: str
    schedule: tuple[Choice, ...]


class Walker:
    """Takes steps of a search, in its finest steps, from its initial state."""

    def __init__(self, search: Search, host: Host) -> None:
        self._search = search
        self._host = host
        search.reset()
        self._checker = Checker(host, FAMILIES)

    def close(self) -> None:
        """Keep no log of deeds any more."""
        self._host.machine.log(0)

    def take(self, choice: Choice) -> str | None:
        """Take a step, one operation after the other; answers the sentence that does not hold."""
        if choice.kind in (ChoiceKind.DELIVER, ChoiceKind.TIMER):
            self._search.take(choice)
            return None
        self._search.single(True)
        try:
            sentence = self._operation(choice)
            for _ in range(MAX_STEPS):
                if sentence is not None or self._search.stands(choice.actor):
                    break
                sentence = self._operation(choice._replace(kind=ChoiceKind.GO))
        finally:
            self._search.single(False)
        return sentence

    def _operation(self, choice: Choice) -> str | None:
        self._checker.before(choice.actor)
        self._search.take(choice)
        stop = Stop(Verdict.PAUSE, choice.actor, 0, 0, 0, 0, 1, StepKind.HOST, 0)
        found = self._checker.after(stop)
        return None if found is None else found.sentence

    def walk(self, source: random.Random) -> Breach | None:
        """Take steps at random until there is none, or an invariant is broken."""
        schedule: list[Choice] = []
        while len(schedule) < MAX_STEPS and (choices := self._search.choices()):
            same = [c for c in choices if schedule and c.actor == schedule[-1].actor]
            choice = source.choice(same if same and source.random() < STAYS else choices)
            schedule.append(choice)
            sentence = self.take(choice)
            if sentence is not None:
                return Breach(sentence, tuple(schedule))
        return None


def breach_of(search: Search, host: Host, schedule: Sequence[Choice]) -> str:
    """The invariant that a schedule's last step breaks, and none before it; empty if none is."""
    with closing(Walker(search, host)) as walker:
        for number, choice in enumerate(schedule, 1):
            if choice not in search.choices():
                break
            sentence = walker.take(choice)
            if sentence is not None:
                return sentence if number == len(schedule) else ""
    return ""
