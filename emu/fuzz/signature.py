"""What tells one defect from another: who could do what where it could still be avoided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.explore.avoidable import last_avoidable
from emu.explore.narrate import Narrator
from emu.explore.points import PointKind
from emu.explore.replay import scene_of
from emu.explore.search import ChoiceKind

if TYPE_CHECKING:
    from emu.explore.case import Case
    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.replay import Scene
    from emu.explore.search import Choice

MAX_STATES: Final = 20_000  # of one search
_NUMBER: Final = re.compile(r"\d+$")


class Deciding(NamedTuple):
    """What somebody could do. role: of an actor, without its number; label: where in its code."""

    role: str
    operation: str
    label: str


def signature(case: Case, laboratory: Laboratory | None = None) -> frozenset[Deciding]:
    """What could happen at the last point of a case from which a good end still followed.

    It is the step that is taken there, and what else host code could do; what other guests could
    is a matter of the program. So it is equal for what is probably the same defect. The bugs of the
    case must be on. If no interleaving ends well, the point is where it all begins.
    """
    steps = max(0, last_avoidable(case, MAX_STATES, laboratory).steps)
    scene = scene_of(case, laboratory=laboratory)
    narrator = Narrator(scene.machine, scene.host)
    scene.search.reset()
    for choice in case.schedule[:steps]:
        scene.search.take(choice)
    taken = case.schedule[steps : steps + 1]
    return frozenset(
        _deciding(scene, narrator, choice)
        for choice in scene.search.choices()
        if choice in taken or _by_host(scene, choice)
    )


def _by_host(scene: Scene, choice: Choice) -> bool:
    return choice.kind is ChoiceKind.GO and scene.search.stand(choice.actor).host


def _deciding(scene: Scene, narrator: Narrator, choice: Choice) -> Deciding:
    if choice.kind in (ChoiceKind.DELIVER, ChoiceKind.TIMER):
        return Deciding("machine", choice.kind.name.lower(), "")
    stand = scene.search.stand(choice.actor)
    role = _NUMBER.sub("", narrator.actor(choice.actor))
    if stand.host:
        what, place = narrator.describe(scene.search, choice)
        return Deciding(role, what.partition(" ")[0], place.partition(":")[0])
    if choice.kind is ChoiceKind.LAND:
        return Deciding(role, "land", "guest")
    if stand.interrupt:
        return Deciding(role, "interrupt", f"{stand.interrupt:#x}")
    return Deciding(role, PointKind(stand.kind).name.lower(), "guest")
