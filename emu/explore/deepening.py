"""When a search is cut off: bound the preemptions instead, by 0, 1, 2, ..., as far as that goes.

What is exhaustive up to a number of preemptions is worth more than a part of everything, of which
nobody can say which part. Knows nothing of what is searched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from emu.explore.search import CUT_OFF, STOPPED, Algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.explore.search import Options

_Found = TypeVar("_Found")

MAX_PREEMPTIONS: Final = 64
FEW_STATES: Final = 200_000
# What the words for an extent have in them where a limit was hit.
LIMITS: Final = (CUT_OFF, STOPPED, "runs cut off", "runs of at most")


def deepened(
    search: Callable[[Options], _Found],
    options: Options,
    cut_of: Callable[[_Found], str],
    go_on: Callable[[], bool] | None = None,
) -> list[_Found]:
    """Search, and within growing bounds if the states or the time did not suffice.

    search: one whole search. cut_of: what bounded it, in words. go_on: asked before each bounded
    search whether there is time for one; None: there is none after a search that was stopped.
    A bound on instructions makes every run finite, and states that differ in how many there were
    are many: so if it takes more than a few states, everything is tried without it first, which
    says more. Returns what was found, the result that counts first: everything, or else the last
    bound that could be searched whole, or else the first search.
    """
    if options.max_insns is not None:
        counted = search(replace(options, max_states=min(options.max_states, FEW_STATES)))
        if not cut_of(counted).startswith(CUT_OFF):
            return [counted]
        whole = search(replace(options, max_insns=None))
        if not cut_of(whole).startswith((CUT_OFF, STOPPED)):
            return [whole]
    found = search(options)
    seen = [found]
    if options.algorithm is not Algorithm.DFS or options.preemptions is not None:
        return seen
    if not cut_of(found).startswith((CUT_OFF, STOPPED)):
        return seen
    if go_on is None and cut_of(found).startswith(STOPPED):
        return seen
    for bound in range(MAX_PREEMPTIONS):
        if go_on is not None and not go_on():
            break
        now = search(replace(options, preemptions=bound))
        if cut_of(now).startswith((CUT_OFF, STOPPED)):
            seen.append(now)
            break
        seen.insert(0, now)
        if "preemptions" not in cut_of(now):  # no switch was forbidden: this was everything
            break
    return seen


def extent_of(cuts: Sequence[str]) -> str:
    """What bounded the searches of deepened() together, in words. cuts: of each, in its order."""
    within, *others = cuts
    if not others or not within or within.startswith((CUT_OFF, STOPPED)):
        return within  # it is everything, or no bound was searched whole
    return f"{within}, beyond that {others[-1]}"


def is_limited(cut: str) -> bool:
    """Whether a limit was hit: on states, steps, instructions or time.

    cut: what bounded a search, in words. A bound on preemptions that was asked for, on how often
    time passes, and a number of samples are no limits: they say what to search.
    """
    return any(words in cut for words in LIMITS)
