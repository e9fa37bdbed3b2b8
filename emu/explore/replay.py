"""Replaying a case: the same program on the same machine by the same schedule, told step by step.

A schedule names steps of the hypervisor's code too, and that code changes from version to version.
A case therefore keeps what each step was (its trail), and a schedule that no longer fits is laid
along the new steps as far as that is possible, and said to have been.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from emu.errors import ReplayError
from emu.explore.case import MAX_TRAIL, Case, Setting, goes_round
from emu.explore.guest import GuestStage
from emu.explore.guest_case import asked_of, program_of, vm_of
from emu.explore.litmus.assembly import assembly
from emu.explore.litmus.condition import holds, parse_condition
from emu.explore.litmus.guest import build
from emu.explore.litmus.judge_code import compile_condition
from emu.explore.litmus.model import observables
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import search_options
from emu.explore.litmus.stage import prepare
from emu.explore.litmus.verdict import MISSING
from emu.explore.livelock import is_fair
from emu.explore.narrate import Narrator, Told
from emu.explore.schedule import parse_short, short_text
from emu.explore.search import UNLIMITED, ChoiceKind, Options
from emu.explore.walks import INVARIANT, breach_of
from emu.explore.zoo import switched_on
from emu.hv.ops import CompareAndSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.core.machine import Machine
    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Condition, Litmus
    from emu.explore.litmus.verdict import Violation
    from emu.explore.search import Choice, Search
    from emu.hv.host import Host

Watch: TypeAlias = "Callable[[Scene, Told | None], None]"

LOOK_AHEAD: Final = 8  # recorded steps of an actor that may be gone
INSERTED: Final = 32  # new steps in front of a recorded one
_PLACE: Final = re.compile(r"^(\S+) (?:(\w+):[0-9]+ |0x[0-9a-f]+ )?")


@dataclass(slots=True)
class Scene:
    """A machine with a case's program, in the finest steps, and how to judge its state.

    bad: whether the state of now is what the case says should not be. outcome: it in words.
    judge: whether an end state is bad, by the values that the search shows of it.
    """

    search: Search
    host: Host | None
    bad: Callable[[], bool]
    judge: Callable[[Sequence[int]], bool]
    outcome: Callable[[], str]

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.search.machine


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it.

    reproduced: the bad state was reached again. schedule: the steps taken, those of the case unless
    skipped or inserted say that some were left out or added to make it fit. loop: of them, the last
    ones that lead back to where they began. scene: stands at the end of the schedule.
    """

    case: Case
    scene: Scene
    told: tuple[Told, ...]
    outcome: str
    reproduced: bool
    skipped: int = 0
    inserted: int = 0
    loop: int = 0

    @property
    def exact(self) -> Case:
        """The case with the steps that were taken."""
        return replace(self.case, schedule=self.schedule, trail=(), loop=self.loop)

    @property
    def schedule(self) -> tuple[Choice, ...]:
        """The steps that were taken."""
        return tuple(told.choice for told in self.told)


def scene_of(
    case: Case,
    max_states: int = UNLIMITED,
    laboratory: Laboratory | None = None,
    *,
    avoid: bool = False,
) -> Scene:
    """Set the scene, at the initial state; the bugs of the case must be on.

    max_states: of a search that begins from there. laboratory: where the machine of a litmus test
    comes from. avoid: the search goes round states of which the condition is true. Raises
    LitmusError, ConfigError, SearchRefusedError.
    """
    if case.kind == "guest":
        return _guest_scene(case, max_states, avoid=avoid)
    return _litmus_scene(case, max_states, laboratory, avoid=avoid)


def replay(case: Case, watch: Watch | None = None, laboratory: Laboratory | None = None) -> Replay:
    """Replay a case twice, compare the two, and tell what happened.

    watch: told of the initial state (without a step) and then of each step, in a third replay: by
    then nothing of the host's code has to be learned, so nothing happens twice. laboratory: gives
    the machine of that replay, if the case has no hypervisor of its own. Raises ReplayError
    if the schedule does not fit, or the two differ, and what scene_of() raises.
    """
    with switched_on(case.setting.bugs):
        if case.missing:
            return _search_again(case)
        done = _follow(scene_of(case), case)
        exact = done.exact
        again = _follow(scene_of(case), exact)
        if (again.scene.search.hash(), again.outcome) != (done.scene.search.hash(), done.outcome):
            raise ReplayError("the same schedule led to two different states: it is not determined")
        if watch is not None:
            scene = again.scene
            if scene.host is None and laboratory is not None:
                scene = scene_of(exact, laboratory=laboratory)
            _follow(scene, exact, watch)
    return done


def case_of(
    test: Litmus,
    host: str,
    options: Options,
    violation: Violation,
    bugs: Sequence[str] = (),
) -> Case:
    """A violation that `run` found, as a case; the bugs, if any, must be on.

    Raises ReplayError if its schedule does not lead to it.
    """
    case = Case(
        kind="litmus",
        name=test.name,
        property=violation.rule,
        expected=violation.explanation,
        condition="" if violation.condition is None else str(violation.condition),
        at_end=violation.at_end,
        missing=violation.rule == MISSING,
        invariant=violation.rule == INVARIANT,
        loop=violation.loop,
        program=test.text,
        assembly=assembly(build(parse(test.text, test.path))),
        schedule=tuple(parse_short(violation.schedule)),
        setting=Setting(
            host=host, bugs=tuple(bugs), spurious=options.spurious, timers=options.timers
        ),
    )
    return with_trail(case)


def with_trail(case: Case) -> Case:
    """The case with what each of its steps is. Raises ReplayError if it does not reproduce."""
    if case.missing:
        return case
    done = _follow(scene_of(case), case)
    if not done.reproduced:
        case = replace(case, schedule=(*done.schedule, *_at_locks(done)))
        done = _follow(scene_of(case), case)
    if not done.reproduced:
        raise ReplayError(f"the schedule does not lead to it: {case.expected}")
    if len(done.told) > MAX_TRAIL:
        return case
    return replace(case, trail=tuple(map(_trail_of, done.told)))


def _at_locks(done: Replay) -> list[Choice]:
    """The steps left after a schedule in which somebody finds a lock taken.

    To a search he stands still before it; in the finest steps he asks for the lock once more.
    """
    host = done.scene.host
    if host is None or not done.case.at_end or done.case.loop or done.case.invariant:
        return []
    found = []
    for choice in done.scene.search.choices():
        node = host.words[host.node_ref(choice.actor)]
        op = host.automaton.op(node) if node else None
        if isinstance(op, CompareAndSet) and host.words[op.ref] != op.old:
            found.append(choice)
    return found


def _trail_of(told: Told) -> str:
    return " ".join(filter(None, (told.actor, told.place, told.what)))


# ---- the scene -------------------------------------------------------------------------------


def _litmus_scene(
    case: Case, max_states: int, laboratory: Laboratory | None, *, avoid: bool
) -> Scene:
    setting = case.setting
    test = parse(case.program, case.name)
    condition = parse_condition(case.condition, "condition") if case.condition else None
    if condition is not None:
        _check_threads(condition, test)
        test.locations += observables(condition)
    options = replace(
        search_options(test, Options(spurious=setting.spurious, timers=setting.timers)),
        delayed=setting.delayed,
        landing=setting.landing,
        fine=True,
        ample=False,
        max_states=max_states,
        avoid=avoid,
    )
    guest = build(test)
    stage = prepare(guest, options, setting.host, laboratory)
    search = stage.search
    if avoid and condition is not None:
        search.never(compile_condition(guest, condition, stage.watched))

    def state() -> dict[str, object]:
        shown = zip(stage.watched, search.values(), strict=False)
        return {str(o): stage.guest.value(o, raw) for o, raw in shown}

    def bad() -> bool:
        return not (case.at_end and search.choices()) and judge(search.values())

    def judge(values: Sequence[int]) -> bool:
        if goes_round(case):
            return False  # what comes to an end does not
        if condition is None:
            stuck = stage.stuck(values[len(stage.watched) :])
            return bool(stage.trapped(values) or stage.overslept(values) or stuck)
        shown = zip(stage.watched, values, strict=False)
        return holds(condition, {o: stage.guest.value(o, raw) for o, raw in shown})

    def outcome() -> str:
        return " ".join(f"{name}={value};" for name, value in state().items())

    return Scene(search, stage.host, bad, judge, outcome)


def _guest_scene(case: Case, max_states: int, *, avoid: bool) -> Scene:
    setting = case.setting
    program = program_of(case)
    options = Options(
        fine=True,
        spurious=setting.spurious,
        timers=setting.timers,
        max_states=max_states,
        avoid=avoid,
    )
    stage = GuestStage(vm_of(case, program), program, options, asked_of(case))
    search = stage.search

    def judge(values: Sequence[int]) -> bool:
        if not case.at_end:
            return stage.forbidden(values)
        return stage.judge(values)[0] == case.condition

    def bad() -> bool:
        return not (case.at_end and search.choices()) and judge(search.values())

    def outcome() -> str:
        return "still running" if search.choices() else stage.judge(search.values())[0]

    return Scene(search, stage.host, bad, judge, outcome)


def _check_threads(condition: Condition, test: Litmus) -> None:
    for observable in observables(condition):
        thread = getattr(observable, "thread", 0)
        if thread >= len(test.threads):
            count = len(test.threads)
            raise ReplayError(f"condition names thread {thread}, but the program has {count}")


# ---- following the schedule ------------------------------------------------------------------


def _follow(scene: Scene, case: Case, watch: Watch | None = None) -> Replay:
    walk = _Walk(scene, case, watch)
    walk.go()
    if case.invariant and scene.host is not None:
        steps = [told.choice for told in walk.told]
        reproduced = bool(breach_of(scene.search, scene.host, steps))
    else:
        reproduced = goes_round(case) or scene.bad()
    if reproduced and case.loop:
        reproduced = walk.loops()
    return Replay(
        case,
        scene,
        tuple(walk.told),
        scene.outcome(),
        reproduced,
        walk.skipped,
        walk.inserted,
        walk.loop,
    )


def _search_again(case: Case) -> Replay:
    """Go through every interleaving for what is missing."""
    scene = scene_of(case)
    ended = scene.search.run()
    found = any(scene.judge(outcome.values) for outcome in ended.outcomes)
    facts = ended.facts
    where = f"{facts.ends} ends of {facts.states} states"
    outcome = f"{case.condition} is {'true of one' if found else 'true of none'} of the {where}"
    return Replay(case, scene, (), outcome, reproduced=not found and not ended.cut)


class _Walk:
    """The steps of a case, taken one by one."""

    def __init__(self, scene: Scene, case: Case, watch: Watch | None) -> None:
        self._scene = scene
        self._case = case
        self._watch = watch
        self._narrator = Narrator(scene.machine, scene.host)
        self._keys = [_key(step) for step in case.trail]
        self._hashes: list[int] = []
        self._possible: list[list[Choice]] = []
        self._round = 0  # where the loop begins
        self.told: list[Told] = []
        self.skipped = 0
        self.inserted = 0

    def go(self) -> None:
        """Take them all. Raises ReplayError."""
        self._scene.search.reset()
        self._hashes.append(self._scene.search.hash())
        if self._watch is not None:
            self._watch(self._scene, None)
        for number, choice in enumerate(self._case.schedule):
            if number == len(self._case.schedule) - self._case.loop:
                self._round = len(self.told)
            if not self._keys or self._fits(number, choice):
                self._take(number, choice)
            else:
                self.skipped += 1

    @property
    def loop(self) -> int:
        """Of the steps taken, how many are those of the case's loop."""
        return len(self.told) - self._round if self._case.loop else 0

    def loops(self) -> bool:
        """Whether the loop leads back to where it began, is fair, and leads there once more."""
        begin, search = self._round, self._scene.search
        round_ = [(self._possible[i], self.told[i].choice) for i in range(begin, len(self.told))]
        if self._hashes[-1] != self._hashes[begin] or not is_fair(round_):
            return False
        for (_, choice), expected in zip(round_, self._hashes[begin + 1 :], strict=True):
            if choice not in search.choices():
                return False
            search.take(choice)
            if search.hash() != expected:
                return False
        return True

    def _fits(self, number: int, choice: Choice) -> bool:
        """Bring the actor to the step that was recorded; False: the step is gone."""
        if choice.kind not in (ChoiceKind.GO, ChoiceKind.FAIL):
            return choice in self._scene.search.choices()
        for _ in range(INSERTED):
            if all(choice.actor != c.actor for c in self._scene.search.choices()):
                break
            here = self._here(choice)
            if here == self._keys[number]:
                return True
            if here in self._coming(number, choice.actor):
                return False
            self._take(number, choice._replace(kind=ChoiceKind.GO))
            self.inserted += 1
        raise self._misfit(number, choice)

    def _here(self, choice: Choice) -> str:
        what, place = self._narrator.describe(self._scene.search, choice)
        actor = self._narrator.actor(choice.actor)
        return _key(" ".join(filter(None, (actor, place, what))))

    def _coming(self, number: int, actor: int) -> list[str]:
        """What was recorded of the actor after this step."""
        later = range(number + 1, len(self._keys))
        keys = [self._keys[i] for i in later if self._case.schedule[i].actor == actor]
        return keys[:LOOK_AHEAD]

    def _take(self, number: int, choice: Choice) -> None:
        search = self._scene.search
        possible = search.choices()
        told = self._narrator.step(search, len(self.told), choice) if choice in possible else None
        if told is None:
            raise self._misfit(number, choice)
        self._possible.append(possible)
        self.told.append(told)
        self._hashes.append(self._scene.search.hash())
        if self._watch is not None:
            self._watch(self._scene, told)

    def _misfit(self, number: int, choice: Choice) -> ReplayError:
        text = short_text([choice])
        possible = short_text(self._scene.search.choices()) or "nothing"
        recorded = f", {self._case.trail[number]}" if self._case.trail else ""
        return ReplayError(
            f"the schedule does not fit this machine: step {number} is {text}{recorded}, "
            f"possible is {possible[:200]}"
        )


def _key(step: str) -> str:
    """A step of a trail without its address or line."""
    return _PLACE.sub(lambda m: f"{m[1]} {m[2] or ''} ", step, count=1)
