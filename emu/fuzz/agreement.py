"""Whether a search agrees with something else: a naive reference, another host, another search.

Each function judges one trial of a program and says which end state is wrong, or missing.
"""

from __future__ import annotations

import random
import zlib
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from emu.explore.litmus.guest import build
from emu.explore.litmus.model import (
    Address,
    And,
    Condition,
    Equal,
    Ghost,
    GhostKind,
    Location,
    Register,
)
from emu.explore.litmus.run import search_options
from emu.explore.litmus.stage import prepare
from emu.explore.litmus.verdict import MISSING, Violation
from emu.explore.schedule import short_text
from emu.explore.search import Options
from emu.explore.walks import INVARIANT, Walker
from emu.fuzz.lowering import (
    EXTERNAL_FLAG,
    PROGRAM_INTERRUPT,
    TICKS,
    initial_result,
    interrupted_by_devices,
    result_register,
)
from emu.fuzz.programs import (
    CELLS,
    DEVICES,
    MAX_OPS,
    OPERATIONS,
    PROBLEM_STATE,
    SENDS,
    SPINS,
    STOPPERS,
    XICS,
    Op,
    Program,
    without,
)
from emu.fuzz.reference.doorbells import ALLOWED, NOTHING, STRICT, ends, goes_round
from emu.fuzz.words import REGISTERS, computed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Observable, Value
    from emu.explore.litmus.verdict import Result
    from emu.fuzz.reference.doorbells import End, Manner

    State = Mapping[Observable, Value]
    Image = frozenset[tuple[Observable, Value]]

MAX_AGAIN: Final = 5_000  # states of a search that is done twice
MAX_HOSTED: Final = 4  # operations of a program that is compared with POWER8 under its hypervisor
WALKS: Final = 2  # through a program
PUNCTUAL: Final = replace(ALLOWED["power9"], spurious=False)
ENABLING: Final = ("ee", "cede", *PROBLEM_STATE)  # operations after which MSR[EE] may be 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A program and what the search over it found.

    search: searches another one, on a host. laboratory: has machines for the program.
    """

    program: Program
    result: Result
    search: Callable[[Program, str], Result]
    laboratory: Laboratory

    @property
    def host(self) -> str:
        """The host that it ran on."""
        return self.result.host


def _wrong(name: str, image: Iterable[tuple[Observable, Value]], why: str) -> Violation:
    state = _in_order(image)
    words = " ".join(f"{o}={value};" for o, value in state)
    return Violation(name, f"{words} {why}", condition=_condition(state))


def _missing(image: Image, why: str) -> Violation:
    state = _in_order(image)
    words = " ".join(f"{o}={value};" for o, value in state)
    return Violation(MISSING, f"{words} {why}", condition=_condition(state))


def _in_order(image: Iterable[tuple[Observable, Value]]) -> list[tuple[Observable, Value]]:
    return sorted(image, key=lambda pair: str(pair[0]))


def _words(image: Image) -> list[str]:
    """What images are put in order by."""
    return [f"{o}={value}" for o, value in _in_order(image)]


def _condition(state: Iterable[tuple[Observable, Value]]) -> Condition:
    return And(tuple(Equal(o, value) for o, value in state))


# ---- the architecture ------------------------------------------------------------------------


def within_architecture(trial: Trial) -> Violation | None:
    """Look for an end state that the reference does not allow on this host."""
    return _beyond(trial, ALLOWED[trial.host], "is an end state that the architecture rules out")


def reaches_architecture(trial: Trial) -> Violation | None:
    """Look for an end state that every machine must be able to show, and this one does not.

    A search takes an instruction that sets a decrementer as early as it can, and which of two runs
    out depends on what was set before time passed. And where a vcpu stands that is stopped for ever
    depends on which of its steps others can see.
    """
    program = trial.program
    timers = sum(op.name == "timer" for _, _, op in program.operations())
    if timers > 1 or program.stopped():
        return None
    if not trial.result.complete:
        return None
    wanted = _expected(trial.program, STRICT[trial.host])
    if wanted is None:
        return None
    for image in sorted(wanted - _shown(trial.result, wanted), key=_words):
        return _missing(image, "is no end state, and every machine must be able to show it")
    return None


def with_read(program: Program) -> Program | None:
    """The program with one more read of DPDES, where a thread that reads it has come to its end.

    None: nobody sends and reads, or how a thread comes to its end depends on what comes when.
    """
    if not program.has(*SENDS) or program.has("timer") or program.stopped():
        return None
    for thread, ops in enumerate(program.threads):
        if len(ops) < MAX_OPS and any(op.name == "dpdes" for op in ops):
            more = (*program.threads[:thread], (*ops, Op("dpdes")), *program.threads[thread + 1 :])
            return replace(program, threads=more)
    return None


def reads_what_is_pending(trial: Trial) -> Violation | None:
    """Look for doorbells that are pending in an end state, and that no read there would show."""
    program = trial.program
    longer = with_read(program)
    if longer is None:
        return None
    added = next(t for t, ops in enumerate(longer.threads) if ops != program.threads[t])
    first = added - added % program.smt
    siblings = range(first, min(first + program.smt, len(program.threads)))
    register = Register(added, result_register(len(program.threads[added])))
    searched = trial.search(longer, trial.host)
    if not (trial.result.complete and searched.complete):
        return None
    shown = set(trial.result.test.named)
    mask = (1 << len(siblings)) - 1
    reached = set()
    for outcome in searched.outcomes:
        value = outcome.state[register]
        assert isinstance(value, int)
        image = frozenset((o, v) for o, v in outcome.state.items() if o in shown)
        reached.add((value & mask, image))
    for outcome in trial.result.outcomes:
        state = outcome.state
        if state[Ghost(GhostKind.BLOCKED, added)]:
            continue
        pending = sum(
            1 << number
            for number, thread in enumerate(siblings)
            if state[Ghost(GhostKind.PEND, thread)]
        )
        wanted = frozenset((o, v) for o, v in state.items() if o in shown)
        if (pending, wanted) not in reached:
            return _missing(
                wanted | {(register, pending)},
                f"is no end state, and a last read by thread {added} must be able to show it",
            )
    return None


def cedes_for_reasons(trial: Trial) -> Violation | None:
    """Look for an H_CEDE that returned without a reason, or a prod that ended none or two.

    On POWER7 and POWER8, and where an event from outside takes the vcpu to userspace, H_CEDE may
    return for no reason, and nothing is looked for.
    """
    program = trial.program
    devices = all(agent.startswith((*DEVICES, "preempt")) for agent in program.agents)
    if trial.host != "power9" or not devices or not program.has("cede"):
        return None
    return _beyond(trial, PUNCTUAL, "is an end state only if an H_CEDE returned for no reason")


def _beyond(trial: Trial, manner: Manner, why: str) -> Violation | None:
    """Look for an end state that the reference does not have.

    What it has with nothing left open it has in any manner, and that is sooner known.
    """
    strict = _expected(trial.program, STRICT[trial.host])
    if strict is not None and _shown(trial.result, strict) <= strict:
        return None
    allowed = _expected(trial.program, manner)
    if allowed is None:
        return None
    for image in sorted(_shown(trial.result, allowed) - allowed, key=_words):
        return _wrong("", image, why)
    return None


@lru_cache(maxsize=8)
def _expected(program: Program, manner: Manner) -> frozenset[Image] | None:
    """The end states of the reference as observables of the program's litmus test.

    None: it has too many states, or no order in which it comes to an end.
    """
    found = ends(program, manner)
    if not found:
        return None
    looks = list(_looks(program))
    return frozenset(frozenset((o, look(end)) for o, look in looks) for end in found)


def _shown(result: Result, images: frozenset[Image]) -> set[Image]:
    """The outcomes of a search, as far as these images of a reference speak of them."""
    keys = {observable for observable, _ in next(iter(images))}
    return {
        frozenset((o, v) for o, v in found.state.items() if o in keys) for found in result.outcomes
    }


def _looks(program: Program) -> Iterator[tuple[Observable, Callable[[End], Value]]]:
    """The observables that the reference speaks of, and where each is in its end states."""

    def result(thread: int, place: int, initial: Value) -> Callable[[End], Value]:
        def look(end: End) -> Value:
            value = end.results[thread][place]
            return initial if value == NOTHING else value

        return look

    def cell(number: int) -> Callable[[End], Value]:
        return lambda end: end.memory[number]

    def of(thread: int, field: str) -> Callable[[End], Value]:
        return lambda end: int(getattr(end, field)[thread])

    for thread, place, op in program.operations():
        if OPERATIONS[op.name].reads:
            initial = initial_result(op.name)
            yield Register(thread, result_register(place)), result(thread, place, initial)
    stored = {op.number for _, _, op in program.operations() if op.name in ("store", "conditional")}
    for number in sorted(stored):
        yield Location(CELLS[number]), cell(number)
    devices, timer = interrupted_by_devices(program), program.has("timer")
    traps = program.has(*PROBLEM_STATE)
    for thread in range(len(program.threads)):
        yield Ghost(GhostKind.TAKEN, thread), of(thread, "taken")
        yield Ghost(GhostKind.PEND, thread), of(thread, "pending")
        yield Ghost(GhostKind.BLOCKED, thread), of(thread, "ceded")
        if devices:
            yield Register(thread, EXTERNAL_FLAG), of(thread, "interrupted")
        if timer:
            yield Register(thread, TICKS), of(thread, "ticks")
        if traps:
            yield Ghost(GhostKind.TRAP, thread, PROGRAM_INTERRUPT), of(thread, "traps")


# ---- instructions ----------------------------------------------------------------------------


def computes_as_reference(trial: Trial) -> Violation | None:
    """Look for a register of the instruction words that holds what the reference does not say."""
    program = trial.program
    for thread, ops in enumerate(program.threads):
        words = tuple(op.number for op in ops if op.name == "word")
        if not words:
            continue
        blocked = Ghost(GhostKind.BLOCKED, thread)
        full = computed(words)
        stopped = thread in program.stopped()
        halfway = [
            computed(tuple(op.number for op in ops[:place] if op.name == "word"))
            for place, op in enumerate(ops)
            if op.name == "cede" or stopped
        ]
        for outcome in trial.result.outcomes:
            asleep = halfway if outcome.state[blocked] else [full]
            allowed = [*halfway, full] if stopped else asleep
            held = {n: outcome.state[Register(thread, f"r{n}")] for n in REGISTERS}
            if not any(_same(held, expected) for expected in allowed):
                image = [(Register(thread, f"r{n}"), value) for n, value in held.items()]
                return _wrong("", image, f"is not what the reference computes for thread {thread}")
    return None


def _same(held: Mapping[int, Value], expected: Mapping[int, int]) -> bool:
    """Whether registers hold these values; one that is the address of a cell is shown as that."""
    return all(isinstance(held[n], Address) or held[n] == expected[n] for n in expected)


# ---- POWER8 ----------------------------------------------------------------------------------


def refines_power8(trial: Trial) -> Violation | None:
    """Look for an end state that a guest never sees on POWER8."""
    program = trial.program
    if trial.host != "power9" or _clears_while_enabled(program) or program.stopped():
        return None
    if len(program.events()) > 1 or any(a.startswith(STOPPERS) for a in program.agents):
        return None  # POWER8 has no actor left for another one; next to no such search is whole
    # Under a hypervisor, a message has arrived there when its sender has left the guest; a delay is
    # no difference, but a read of DPDES can tell.
    large = program.has("dpdes") or sum(map(len, program.threads)) > MAX_HOSTED
    if _needs_hypervisor(program) and large:
        return None
    native = trial.search(without(program, "word"), "power8")  # it does not have all of them
    if not native.complete:
        return None
    reads = {
        Register(thread, result_register(place)): thread % program.smt
        for thread, place, op in program.operations()
        if op.name == "dpdes"
    }
    known = [outcome.state for outcome in native.outcomes]
    for outcome in trial.result.outcomes:
        if not any(_deviates_at_most(outcome.state, other, reads) for other in known):
            state = [(o, outcome.state[o]) for o in native.test.shown]
            return _wrong("", state, "is an end state that POWER8 does not have")
    return None


def _needs_hypervisor(program: Program) -> bool:
    """Whether it leaves the guest on POWER8."""
    return bool(program.events()) or program.has("cede", "prod", "tir", "user_tir", *XICS)


def _clears_while_enabled(program: Program) -> bool:
    """Whether msgclrp may be executed with MSR[EE] = 1.

    Emulated, it drops a doorbell that has arrived since the instruction began, where hardware takes
    the interrupt before it. KVM cannot tell the two apart, and neither can a guest that makes sure
    of its MSR[EE].
    """
    return any(
        op.name == "clear"
        and (
            program.ee[thread]
            or any(before.name in ENABLING for before in program.threads[thread][:place])
        )
        for thread, place, op in program.operations()
    )


def _deviates_at_most(mine: State, other: State, reads: Mapping[Register, int]) -> bool:
    """Whether two end states differ at most in accepted deviations (emu/explore/deviations.py).

    A read of DPDES may miss what POWER8 shows. The own bit may be set with MSR[EE] = 1: the
    doorbell came since the instruction began.
    """
    for observable, value in other.items():
        if mine[observable] == value:
            continue
        own = reads.get(observable) if isinstance(observable, Register) else None
        seen = mine[observable]
        if own is None or not isinstance(value, int) or not isinstance(seen, int):
            return False
        if seen & ~(value | 1 << own):
            return False
    return True


# ---- a second time ---------------------------------------------------------------------------


def happens_again(trial: Trial) -> Violation | None:
    """Search once more, on a machine that was used in between, and compare all that was found."""
    if trial.result.states > MAX_AGAIN:
        return None
    again = trial.search(trial.program, trial.host)
    if _findings(again) == _findings(trial.result):
        return None
    states = f"{trial.result.states} states, and then {again.states}"
    differing = [
        o for o in trial.result.outcomes if o.state not in [a.state for a in again.outcomes]
    ]
    for outcome in differing or trial.result.outcomes:
        return _wrong("", outcome.state.items(), f"is not found the same way twice: {states}")
    return None


def _findings(result: Result) -> tuple[object, ...]:
    outcomes = [(list(o.state.items()), o.count) for o in result.outcomes]
    violations = [(v.rule, v.schedule) for v in result.violations]
    return (result.states, result.transitions, outcomes, violations)


# ---- on the way ------------------------------------------------------------------------------


def keeps_partitions(trial: Trial) -> Violation | None:
    """Walk through the program at random a few times, and look at the invariants of the host."""
    if trial.program.has(*SPINS) and goes_round(trial.program, ALLOWED[trial.host]):
        return None  # a walk would go round too
    result = trial.result
    options = replace(search_options(result.test, Options()), fine=True, ample=False)
    stage = prepare(build(result.test), options, trial.host, trial.laboratory)
    if stage.host is None:
        return None
    for number in range(WALKS):
        seed = zlib.crc32(f"{number} {trial.program}".encode())
        with closing(Walker(stage.search, stage.host)) as walker:
            breach = walker.walk(random.Random(seed))  # noqa: S311  no secret
        if breach is not None:
            return Violation(INVARIANT, breach.sentence, short_text(breach.schedule))
    return None
