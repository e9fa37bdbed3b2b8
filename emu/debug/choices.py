"""The history of a search's steps: each is a choice, and the user may choose otherwise.

A schedule of a search (`emu/explore/schedule.py`) names visible operations, and what nobody else
can see comes with them. Here every instruction and every host operation is a step of its own; so
what a debugger did is a schedule again if only the steps that began at a visible operation are
counted.

Where the schedule ends, or was left, somebody must choose: who went last goes on until it waits,
and what is on its way arrives at once, as in a plain run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

from emu.core._emu import lib
from emu.core.engine import ACTOR_WORDS, StepKind, fields
from emu.core.machine import Deed
from emu.core.watching import StoppedBy
from emu.debug.history import End, Halt, History
from emu.errors import ConfigError
from emu.explore.search import Choice, ChoiceKind, Mark, SearchRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.core.watching import Watching
    from emu.debug.history import Edit, Moment
    from emu.explore.search import Search
    from emu.hv.host import Host

SLICE: Final = fields("actor")[1]["slice"]
ITS_TURN: Final = 1 << 40  # in an actor's slice: it has the turn
PATIENCE: Final = 500  # steps after which another actor goes on
HELD: Final = 10_000  # steps that a turn given by hand lasts
BETWEEN_LOOKS: Final = 256  # steps between two looks at the keyboard
MARK_BYTES: Final = 16  # of one entry of the search's history
LOGGED: Final = 64


class Taken(NamedTuple):
    """A step that was taken. planned: how much of the plan was done before it.

    visible: it began at a visible operation, or is no actor's: a step of a schedule. edit: it was
    an edit, and no choice.
    """

    choice: Choice
    planned: int
    visible: bool
    edit: bool = False


EDIT: Final = Choice(0, ChoiceKind.GO)


class Choices(History):
    """The steps of a search, from its initial state. The search must be in the finest steps.

    plan: the schedule to follow. loop: its last so many steps lead back to where they began, so
    that its end is an end. ended: says in words what has come of it when nothing is left.
    """

    interval = 64

    def __init__(
        self,
        host: Host,
        search: Search,
        plan: Sequence[Choice] = (),
        *,
        loop: int = 0,
        ended: Callable[[], str] = lambda: "nothing can happen any more",
    ) -> None:
        super().__init__(host)
        self.search = search
        self.plan = tuple(plan)
        self.misfit: int | None = None  # where the plan could not be followed
        self._loop = loop
        self._ended = ended
        self._taken: list[Taken] = []
        self._planned = 0
        self._wish: Choice | None = None
        self._holder: tuple[int, int] | None = None  # an actor, and until which position
        self._armed: set[tuple[int, int]] = set()
        self._passing = False
        search.single(True)
        search.reset()
        self.machine.log(LOGGED)
        self._point()
        self._remember()

    @property
    def snapshot_bytes(self) -> int:
        """How much memory the way back takes."""
        return self.search.here().undo * MARK_BYTES

    # -- who is next

    def possible(self) -> list[Choice]:
        """Return what can happen next."""
        return self.search.choices()

    def next(self) -> Choice | None:
        """Return what is going to happen next; None: nothing, or an edit."""
        if self.position < len(self._taken):
            taken = self._taken[self.position]
            return None if taken.edit else taken.choice
        return self._choose()[0]

    def schedule(self) -> list[Choice]:
        """Return the steps up to here as a schedule of visible operations."""
        return [taken.choice for taken in self._taken[: self.position] if taken.visible]

    def go_to_step(self, number: int) -> None:
        """Be in front of a step of the plan, counted from 0, or where it was left or ended."""
        while True:
            _, planned = self._choose()
            if planned and self._planned >= number:
                return
            if self._planned >= len(self.plan) or self.misfit is not None:
                return
            if self.forward(self.position + 1).kind != "limit":
                return

    def follow(self, plan: Sequence[Choice]) -> None:
        """Go back to the beginning, and follow another schedule to its end."""
        self.goto(0)
        self.forget_future()
        self.plan, self.misfit, self._loop = tuple(plan), None, 0
        self._planned, self._holder = 0, None
        self._point()
        self.go_to_step(len(self.plan))

    def choose(self, choice: Choice) -> None:
        """Make something else happen next, and forget the plan. Raises ConfigError."""
        if choice not in self.search.choices():
            raise ConfigError("this cannot happen now")
        if self.next() == choice:
            return
        self.forget_future()
        self._planned, self._loop = len(self.plan), 0
        self._wish, self._holder = choice, None
        self._point()

    def can_go(self, actor: int) -> bool:
        """Whether an actor could take a step of its own now."""
        return Choice(actor, ChoiceKind.GO) in self.search.choices()

    def give_turn(self, actor: int, instructions: int) -> None:
        """Let an actor do the next step, and go on while it can."""
        self.choose(Choice(actor, ChoiceKind.GO))
        self._holder = actor, self.position + min(instructions, HELD)

    def happens_next(self) -> str:
        """Say what is next if it is no actor's step; empty if it is."""
        choice = self.next()
        if choice is None:
            return "nothing: this is the end" if self.position == len(self._taken) else ""
        return self.said(choice) if choice.kind is not ChoiceKind.GO else ""

    def said(self, choice: Choice) -> str:
        """Write a choice that is not simply an actor's step."""
        match choice.kind:
            case ChoiceKind.DELIVER:
                return f"the doorbell sent to {self.host.cpus[choice.actor].name} arrives"
            case ChoiceKind.LAND:
                return f"what pulls {self.host.actor_name(choice.actor)} out of the guest arrives"
            case ChoiceKind.FAIL:
                return f"the stwcx. of {self.host.actor_name(choice.actor)} fails"
            case ChoiceKind.TIMER:
                return "time passes"
            case _:
                return f"{self.host.actor_name(choice.actor)} goes on"

    def _choose(self) -> tuple[Choice | None, bool]:
        """Choose the next step at the frontier; and whether it is the plan's next."""
        possible = self.search.choices()
        if self._wish is not None and self._wish in possible:
            return self._wish, False
        if self._planned < len(self.plan):
            for choice in possible:
                if choice.kind is ChoiceKind.GO and self._is_brought(choice.actor):
                    return choice, False
            planned = self.plan[self._planned]
            if planned in possible:
                return planned, True
            self.misfit = self.position
        return self._by_default(possible), False

    def _is_brought(self, actor: int) -> bool:
        """Whether the step that an actor began, of a schedule, brings its next one with it."""
        if self.search.stands(actor):
            return False
        count, most = 0, int(lib.EMU_MAX_PRIVATE)
        for taken in reversed(self._taken):
            if taken.choice.actor == actor and taken.choice.kind not in (
                ChoiceKind.DELIVER,
                ChoiceKind.TIMER,
            ):
                count += not taken.edit
                if taken.visible or count == most:
                    break
        return count < most

    def _by_default(self, possible: Sequence[Choice]) -> Choice | None:
        if self._holder is not None:
            held = Choice(self._holder[0], ChoiceKind.GO)
            if held in possible and self.position < self._holder[1]:
                return held
        for kind in (ChoiceKind.DELIVER, ChoiceKind.LAND):
            for choice in possible:
                if choice.kind is kind:
                    return choice
        goes = [choice for choice in possible if choice.kind is ChoiceKind.GO]
        last = self._last_actor()
        if not goes:
            return next((c for c in possible if c.kind is ChoiceKind.TIMER), None)
        return next((c for c in goes if c.actor == last), None) or next(
            (c for c in goes if c.actor > last), goes[0]
        )

    def _last_actor(self) -> int:
        """Return who went last; when it has gone for long, the last before the next one."""
        last, count = -1, 0
        for taken in reversed(self._taken[-PATIENCE:]):
            if taken.edit or taken.choice.kind in (ChoiceKind.DELIVER, ChoiceKind.TIMER):
                continue
            if last not in (-1, taken.choice.actor):
                return last
            last, count = taken.choice.actor, count + 1
        if count < PATIENCE:
            return last
        others = [c.actor for c in self.search.choices() if c.kind is ChoiceKind.GO]
        after = [actor for actor in others if actor > last] or [a for a in others if a != last]
        return min(after, default=last)

    def _point(self) -> None:
        """Write into the state whose turn it is, where the engine and the debugger look for it."""
        choice = self.next()
        words, refs = self.host.words, self.host.machine_refs
        for actor in range(len(self.host.actors)):
            words[self.machine.area("actor") + ACTOR_WORDS * actor + SLICE] = ITS_TURN
        goes = choice is not None and choice.kind in (ChoiceKind.GO, ChoiceKind.FAIL)
        words[refs.sched_last] = 1 + choice.actor if choice is not None and goes else 0
        self.search.notice()

    # -- forwards

    def _stretch(self, limit: int, watching: Watching | None) -> Halt | None:
        limit = min(self._next_edit(limit), self.position + BETWEEN_LOOKS)
        engine, actor = self.host.engine, self.host.words[self.host.machine_refs.sched_last] - 1
        if watching is not None and engine.judge_first(self.machine, watching):
            return Halt("watching", max(actor, 0), watching.stopped_by, watching.which)
        while self.position < limit:
            choice = self.next()
            if choice is None:
                return self._over(self._ended())
            if self._went_round():
                return self._over(
                    f"the last {self._loop} steps lead back to where they began, for ever"
                )
            if self._lost(choice) and watching is not None and StepKind.TURN in watching.kinds:
                return Halt("watching", choice.actor, StoppedBy.KIND, StepKind.TURN)
            if self._at_breakpoint(choice) and not self._passing:
                return Halt("breakpoint", choice.actor)
            self._passing = False
            try:
                actor, kind, node = self._step(choice)
            except SearchRefusedError as error:
                return self._over(str(error))
            if self.position - self._last_kept() >= self.interval:
                self._remember()
            if watching is not None and self._stops(watching, actor, kind, node):
                return Halt("watching", actor, watching.stopped_by, watching.which, kind)
        return None

    def _went_round(self) -> bool:
        """Whether the plan has led back to where its loop begins."""
        if not self._loop or self._planned < len(self.plan) or self.misfit is not None:
            return False
        goes = [c for c in self.search.choices() if c.kind is ChoiceKind.GO]
        return self.position == len(self._taken) and not any(
            self._is_brought(choice.actor) for choice in goes
        )

    def _over(self, text: str) -> Halt:
        self.end = End(self.position, text)
        last = self._taken[self.position - 1].choice.actor if self.position else 0
        return Halt("end", min(last, len(self.host.actors) - 1))

    def _lost(self, choice: Choice) -> bool:
        """Whether the turn that was given by hand goes to somebody else."""
        if self._holder is None or choice.actor == self._holder[0]:
            return False
        self._holder = None
        return True

    def _step(self, choice: Choice) -> tuple[int, StepKind, int]:
        """Take a step; returns whose it was, of what kind, and from which node of host code."""
        actor, search = choice.actor, self.search
        own = choice.kind not in (ChoiceKind.DELIVER, ChoiceKind.TIMER)
        frontier = self.position == len(self._taken)
        if frontier:
            planned = self._choose()[1]
            visible = planned or choice.kind is not ChoiceKind.GO or search.stands(actor)
            taken = Taken(choice, self._planned, visible)
        in_guest = own and self.host.engine.guest(self.machine, actor) is not None
        node = self.host.words[self.host.node_ref(actor)] if own else 0
        if not search.take(choice):
            raise AssertionError(f"{choice} was possible a moment ago")
        if frontier:
            self._taken.append(taken)
            self._planned += planned
            self._wish = None
        self._heard()
        self._move(self.position + 1)
        if not own:
            return 0, StepKind.TURN, 0
        if not in_guest:
            return actor, StepKind.HOST, node
        left = self.host.words[self.host.node_ref(actor)] != node
        return actor, StepKind.EXIT if left else StepKind.GUEST, node

    def _heard(self) -> None:
        """Remember the event of a step, which happens twice while its code is learned."""
        events = self.host.events()
        self.recent.extend(events[-1:])

    def _stops(self, watching: Watching, actor: int, kind: StepKind, node: int) -> bool:
        stops = self.host.engine.judge(self.machine, watching, actor, kind, node)
        for logged in self.machine.drain():
            if logged.deed is Deed.INTERRUPT and logged.argument in watching.vectors:
                watching.stop(StoppedBy.VECTOR, logged.argument)
                stops = True
        return stops

    # -- where it stops

    def arm(self, vm: int, address: int, *, on: bool) -> None:
        """Set or remove a breakpoint at a real address."""
        if on:
            self._armed.add((vm, address))
        else:
            self._armed.discard((vm, address))

    def _at_breakpoint(self, choice: Choice) -> bool:
        if not self._armed or choice.kind not in (ChoiceKind.GO, ChoiceKind.FAIL):
            return False
        index = self.host.engine.guest(self.machine, choice.actor)
        if index is None or self.search.stand(choice.actor).interrupt:
            return False
        vcpu = self.host.vcpus[index]
        return (vcpu.kvm.number, self.host.words[vcpu.arch.nia]) in self._armed

    def _pass_breakpoint(self) -> None:
        self._passing = True

    # -- edits and going back

    def _change(self, edit: Edit) -> None:
        if self.position == len(self._taken):
            self._taken.append(Taken(EDIT, self._planned, visible=False, edit=True))
        for patch in edit.patches:
            self.search.write(patch.address, patch.data)
        for ref, value in edit.words.items():
            self.host.words[ref] = value
        self.search.notice()

    def _move(self, position: int) -> None:
        super()._move(position)
        self._point()

    def forget_future(self) -> None:
        """Make the present position the end of what is recorded."""
        super().forget_future()
        if self.position < len(self._taken):
            self._planned = self._taken[self.position].planned
            del self._taken[self.position :]
        self._wish = None

    def _keep(self) -> object:
        return self.search.here()

    def _return_to(self, kept: object) -> None:
        self.search.back(cast("Mark", kept))

    def _restore(self, moment: Moment, wanted: int) -> None:
        super()._restore(moment, wanted)
        self._point()

    def _moment_at(self, position: int) -> Moment:
        # What is kept is a place on the way here, so it leads backwards only.
        return super()._moment_at(min(position, self.position))
