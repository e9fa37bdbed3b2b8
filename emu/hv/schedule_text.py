"""The turns of a run as text: a line each, who had it and for how many guest instructions.

    emu schedule 1
    v0 1000
    v1 12 *3
    v0 7 steps

`*N` stands for the same turn N times. A turn of so many `steps` counts operations of host code too,
and ends wherever that is: what was driven by hand. Any turn ends early if its actor waits. Blank
lines and what follows a `#` do not count.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from emu.core.engine import Turn
from emu.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FIRST_LINE: Final = "emu schedule 1"
MAX_TURNS: Final = 10_000_000
_LINE: Final = re.compile(r"(\S{1,40})\s+([0-9]{1,18})(\s+steps)?(?:\s+\*([0-9]{1,8}))?")


def schedule_lines(turns: Iterable[Turn], actors: Sequence[str]) -> Iterator[str]:
    """Write turns down. actors: the name of each, by number."""
    yield FIRST_LINE
    groups = itertools.groupby(turns)
    for turn, group in groups:
        times = sum(1 for _ in group)
        again = f" *{times}" if times > 1 else ""
        length = f"{turn.steps} steps" if turn.steps else f"{turn.slice}"
        yield f"{actors[turn.actor]} {length}{again}"


def parse_schedule(text: str, actors: Sequence[str]) -> tuple[Turn, ...]:
    """Read what schedule_lines() wrote.

    Raises ReplayError, which names the line: another format, an actor that is not there.
    """
    numbers = {name: number for number, name in enumerate(actors)}
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    if not lines or lines[0] != FIRST_LINE:
        first = lines[0][:40] if lines else ""
        raise ReplayError(f"a schedule begins with {FIRST_LINE!r}, got {first!r}")
    turns: list[Turn] = []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ReplayError(
                f"schedule, line {number}: a turn is an actor and a number of instructions or "
                f"steps, got {line[:40]!r}"
            )
        name, length, times = match[1], int(match[2]), int(match[4] or 1)
        if name not in numbers:
            raise ReplayError(f"schedule, line {number}: this machine has no actor {name!r}")
        if len(turns) + times > MAX_TURNS:
            raise ReplayError(f"a schedule has at most {MAX_TURNS} turns")
        if match[3] and not length:
            raise ReplayError(f"schedule, line {number}: a turn has at least 1 step")
        actor = numbers[name]
        turns += [Turn(actor, 0, length) if match[3] else Turn(actor, length)] * times
    return tuple(turns)
