"""The turns of a run as text: a line each, who had it and for how many guest instructions.

    emu schedule 1
    v0 1000
    v1 12 *3

`*N` stands for the same turn N times. Blank lines and what follows a `#` do not count.
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
_LINE: Final = re.compile(r"(\S{1,40})\s+([0-9]{1,18})(?:\s+\*([0-9]{1,8}))?")


def schedule_lines(turns: Iterable[Turn], actors: Sequence[str]) -> Iterator[str]:
    """Write turns down. actors: the name of each, by number."""
    yield FIRST_LINE
    groups = itertools.groupby(turns)
    for turn, group in groups:
        times = sum(1 for _ in group)
        again = f" *{times}" if times > 1 else ""
        yield f"{actors[turn.actor]} {turn.slice}{again}"


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
                f"schedule, line {number}: a turn is an actor and a number of instructions, "
                f"got {line[:40]!r}"
            )
        name, times = match[1], int(match[3] or 1)
        if name not in numbers:
            raise ReplayError(f"schedule, line {number}: this machine has no actor {name!r}")
        if len(turns) + times > MAX_TURNS:
            raise ReplayError(f"a schedule has at most {MAX_TURNS} turns")
        turns += [Turn(numbers[name], int(match[2]))] * times
    return tuple(turns)
