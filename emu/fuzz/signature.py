"""What tells one defect from another: who could do what where it could still be avoided.

Of an outcome that is missing: what of it no end state has. Of an invariant: the step that breaks
it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.explore.avoidable import last_avoidable
from emu.explore.litmus.condition import holds, parse_condition
from emu.explore.litmus.model import And, Equal, Ghost, Register, observables
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.narrate import Narrator
from emu.explore.points import PointKind
from emu.explore.replay import scene_of
from emu.explore.search import ChoiceKind, Options

if TYPE_CHECKING:
    from emu.explore.case import Case
    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Condition, Litmus
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
    case must be on. If no interleaving ends well, the point is where it all begins. An invariant is
    broken by the step itself, and what is missing has no schedule: see _lacking().
    """
    if case.missing:
        return _lacking(case, laboratory)
    if case.invariant:
        return _at(case, len(case.schedule) - 1, laboratory, alone=True)
    return _at(case, max(0, last_avoidable(case, MAX_STATES, laboratory).steps), laboratory)


def _at(
    case: Case, steps: int, laboratory: Laboratory | None, *, alone: bool = False
) -> frozenset[Deciding]:
    """What is done after so many steps, and unless alone what else host code could do there."""
    scene = scene_of(case, laboratory=laboratory)
    narrator = Narrator(scene.machine, scene.host)
    scene.search.reset()
    for choice in case.schedule[:steps]:
        scene.search.take(choice)
    taken = case.schedule[steps : steps + 1]
    return frozenset(
        _deciding(scene, narrator, choice)
        for choice in scene.search.choices()
        if choice in taken or (not alone and _by_host(scene, choice))
    )


def _lacking(case: Case, laboratory: Laboratory | None) -> frozenset[Deciding]:
    """What no end state has of an outcome that is missing: the least of it that none has.

    By the instructions that read it and by what is known of a thread, not by numbers of registers
    and threads, which are the program's. Of a number it counts whether it is 0.
    """
    test = parse(case.program, case.name)
    parts = _parts(parse_condition(case.condition))
    for part in parts:
        test.locations += [o for o in observables(part) if o not in test.locations]
    result = run(test, Options(max_states=MAX_STATES), case.setting.host, laboratory=laboratory)
    states = [outcome.state for outcome in result.outcomes]
    least = list(parts)
    for part in parts:
        rest = [other for other in least if other is not part]
        if rest and not any(all(holds(p, state) for p in rest) for state in states):
            least = rest
    return frozenset(_lacked(test, part) for part in least)


def _parts(condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, And) else (condition,)


def _lacked(test: Litmus, part: Condition) -> Deciding:
    value = "0" if isinstance(part, Equal) and part.right == 0 else "not 0"
    match part.left if isinstance(part, Equal) else None:
        case Register(thread=thread, name=name):
            named = re.compile(rf"\b{name}\b")
            readers = [cell.text for cell in test.threads[thread] if named.search(cell.text)]
            reader = named.sub("", readers[-1]) if readers else name
            return Deciding("end", " ".join(reader.replace(",", " ").split()), value)
        case Ghost(kind=kind):
            return Deciding("end", str(kind), value)
        case _:
            return Deciding("end", "memory", value)


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
