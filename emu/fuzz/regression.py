"""Stored cases as regression tests: whether what a case is about can still happen.

A case that was found with bugs of the zoo on is asked of the code without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emu.errors import ReplayError
from emu.explore.replay import replay, scene_of
from emu.explore.search import SearchRefusedError

if TYPE_CHECKING:
    from emu.explore.case import Case

MAX_STATES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """happens: it does. how: what was done to know it, and what was seen."""

    happens: bool
    how: str


def again(case: Case, max_states: int = MAX_STATES) -> Verdict:
    """Replay a case; if its schedule no longer fits the code, go through every interleaving.

    Raises EmuError where neither can be done.
    """
    healthy = replace(case, setting=replace(case.setting, bugs=()))
    try:
        done = replay(healthy)
    except (ReplayError, SearchRefusedError) as error:
        return _searched(healthy, str(error), max_states)
    if done.reproduced:
        return Verdict(True, f"replayed: {done.outcome}")
    unfinished = case.at_end and done.scene.search.choices()
    if done.skipped or done.inserted or unfinished:
        return _searched(healthy, "the schedule is of another version", max_states)
    return Verdict(False, f"replayed, and ended otherwise: {done.outcome}")


def _searched(case: Case, why: str, max_states: int) -> Verdict:
    scene = scene_of(case, max_states, avoid=not case.at_end)
    ended = scene.search.run()
    found = any(scene.judge(outcome.values) for outcome in ended.outcomes)
    happens = found or bool(ended.violations)
    extent = ended.cut or "every interleaving"
    return Verdict(happens, f"{why}; searched {extent}, {ended.facts.states} states")
