"""Schedules as text: whose turn it is, step by step.

The short form is one line, `0*3 1 0d 1f`: an actor's number, a letter for what happens if it is
not simply its next step (f: its stwcx. fails, l: an interrupt lands, d: a doorbell is delivered,
t: time passes), and `*N` for the same N times.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from emu.errors import ReplayError
from emu.explore.search import Choice, ChoiceKind

if TYPE_CHECKING:
    from collections.abc import Iterable

LETTERS = {
    ChoiceKind.GO: "",
    ChoiceKind.FAIL: "f",
    ChoiceKind.LAND: "l",
    ChoiceKind.DELIVER: "d",
    ChoiceKind.TIMER: "t",
}
_KINDS = {letter: kind for kind, letter in LETTERS.items()}
_TOKEN = re.compile(r"([0-9]{1,3})([a-z]?)(?:\*([0-9]{1,7}))?")
MAX_STEPS = 1_000_000


def short_text(choices: Iterable[Choice]) -> str:
    """A schedule on one line."""
    words = []
    for choice, group in itertools.groupby(choices):
        count = sum(1 for _ in group)
        times = f"*{count}" if count > 1 else ""
        words.append(f"{choice.actor}{LETTERS[choice.kind]}{times}")
    return " ".join(words)


def parse_short(text: str) -> list[Choice]:
    """The choices of a line that short_text() wrote. Raises ReplayError."""
    choices: list[Choice] = []
    for word in text.split():
        match = _TOKEN.fullmatch(word)
        if match is None or match.group(2) not in _KINDS or int(match.group(1)) > 255:
            raise ReplayError(f"a step of a schedule reads like 0, 1f or 0*3, got {word[:40]!r}")
        times = int(match.group(3) or 1)
        if len(choices) + times > MAX_STEPS:
            raise ReplayError(f"a schedule has at most {MAX_STEPS} steps")
        choices += [Choice(int(match.group(1)), _KINDS[match.group(2)])] * times
    return choices
