"""The turns of a scheduler's run as a schedule: its own, and those that were given by hand.

A turn of the scheduler that was left alone is one of so many instructions. One that was given by
hand, or cut short because somebody else was given the next, is one of so many steps: see
`emu/hv/schedule_text.py`. `emu run --schedule` does the same from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.core.engine import ACTOR_WORDS, StepKind, Turn
from emu.core.watching import StoppedBy, Watching
from emu.debug.timeline import SLICE
from emu.errors import ReplayError

if TYPE_CHECKING:
    from emu.debug.history import Edit
    from emu.debug.timeline import Timeline

STEPS: Final = 1 << 63  # in an actor's slice: the rest counts steps


def turns_so_far(line: Timeline) -> list[Turn]:
    """Return all turns up to here; the machine is here again afterwards.

    Raises ReplayError if something else was done by hand: a schedule has no place for it.
    """
    here = line.position
    edits = [edit for edit in line.edits if edit.position < here]
    for edit in edits:
        if not _gives_turn(line, edit):
            raise ReplayError(
                f"a schedule only says who goes when, not what was done by hand at "
                f"@{edit.position}: {edit.text}"
            )
    line.goto(0)
    try:
        return _turns(line, edits, here)
    finally:
        line.goto(here)


def _turns(line: Timeline, edits: list[Edit], here: int) -> list[Turn]:
    found: list[Turn] = []
    begun: Turn | None = None
    since, by_hand = 0, False
    watching = Watching(kinds=[StepKind.TURN])
    for until in (*(edit.position for edit in edits), here):
        while line.position < until:
            halt = line.forward(until, watching=watching)
            if halt.by is not StoppedBy.KIND:
                continue
            if begun is not None:
                found += _ended(begun, line.position - 1 - since, cut=by_hand)
            begun, since, by_hand = _turn(line), line.position, False
        if begun is not None:
            cut = by_hand or _actor_with_turn(line) is not None
            found += _ended(begun, line.position - since, cut=cut)
            begun = None
        if until < here:
            line.forward(until + 1)
            begun, since, by_hand = _turn(line), line.position, True
    return found


def _ended(turn: Turn, steps: int, *, cut: bool) -> list[Turn]:
    if not cut:
        return [turn]
    return [Turn(turn.actor, 0, steps)] if steps else []


def _turn(line: Timeline) -> Turn:
    """Return the turn that has just begun."""
    actor = line.host.words[line.host.machine_refs.sched_last] - 1
    slice_ = line.host.words[slice_ref(line, actor)]
    return Turn(actor, 0, slice_ - STEPS) if slice_ >= STEPS else Turn(actor, slice_ - 1)


def _actor_with_turn(line: Timeline) -> int | None:
    return line.host.engine.turn(line.machine)


def slice_ref(line: Timeline, actor: int) -> int:
    """Return the word with what is left of an actor's turn."""
    return line.machine.area("actor") + ACTOR_WORDS * actor + SLICE


def _gives_turn(line: Timeline, edit: Edit) -> bool:
    slices = {slice_ref(line, actor) for actor in range(len(line.host.actors))}
    return not edit.patches and set(edit.words) <= {line.host.machine_refs.sched_last, *slices}
