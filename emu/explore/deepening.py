"""When a search is cut off: bound the preemptions instead, by 0, 1, 2, ..., as far as that goes.

What is exhaustive up to a number of preemptions is worth more than a part of everything, of which
nobody can say which part. Knows nothing of what is searched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from emu.explore.search import CUT_OFF, STOPPED, Algorithm

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.explore.search import Options

_Found = TypeVar("_Found")

MAX_PREEMPTIONS: Final = 64


def deepened(
    search: Callable[[Options], _Found],
    options: Options,
    cut_of: Callable[[_Found], str],
    go_on: Callable[[], bool] | None = None,
) -> list[_Found]:
    """Search, and within growing bounds if the states or the time did not suffice.

    search: one whole search. cut_of: what bounded it, in words. go_on: asked before each bounded
    search whether there is time for one; None: there is none after a search that was stopped.
    Returns what was found, the result that counts first: everything, or else the last bound that
    could be searched whole, or else the first search.
    """
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
