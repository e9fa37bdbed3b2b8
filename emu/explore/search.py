"""The search in C (csrc/explore.c), driven from Python: options in, outcomes and schedules out.

Knows machines and points; knows nothing of litmus tests or of what a violation means.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload
from weakref import WeakKeyDictionary

from emu.core._emu import ffi, lib
from emu.core.machine import Exit
from emu.errors import ConfigError, EmuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from emu.core.engine import Engine
    from emu.core.machine import Machine
    from emu.explore.footprint import Analysis
    from emu.explore.points import Point

UNLIMITED: Final = (1 << 64) - 1
NO_BOUND: Final = (1 << 32) - 1
MAX_ACTORS: Final = 64
MAX_CHOICES: Final = 256
SLICE: Final = 200_000  # steps between two looks at the clock and the keyboard, at most
DPOR_STEPS: Final = 5000  # of its longest run
PATIENCE: Final = 0.1  # seconds between them, about
# How the words begin for what was cut off by its number of states, or stopped from outside.
CUT_OFF: Final = "cut off at"
STOPPED: Final = "stopped"


class Algorithm(enum.IntEnum):
    """How the interleavings are gone through."""

    DFS = lib.EMU_ALGORITHM_DFS
    BFS = lib.EMU_ALGORITHM_BFS
    DPOR = lib.EMU_ALGORITHM_DPOR
    RANDOM = lib.EMU_ALGORITHM_RANDOM
    PCT = lib.EMU_ALGORITHM_PCT
    POS = lib.EMU_ALGORITHM_POS


class ChoiceKind(enum.IntEnum):
    """What happens in a step."""

    GO = lib.EMU_CHOICE_GO
    FAIL = lib.EMU_CHOICE_FAIL
    LAND = lib.EMU_CHOICE_LAND
    DELIVER = lib.EMU_CHOICE_DELIVER
    TIMER = lib.EMU_CHOICE_TIMER


# A kind as an object, without a constructor call for each.
_KINDS: Final = tuple(ChoiceKind)


class Choice(NamedTuple):
    """Whose turn it is, and what happens then."""

    actor: int
    kind: ChoiceKind


class Term(NamedTuple):
    """A word under a mask is not 0; or it is, if `zero`."""

    ref: int
    mask: int = UNLIMITED
    zero: bool = False


class Mark(NamedTuple):
    """A place in the history of a search's steps."""

    undo: int
    hash: int


class Stand(NamedTuple):
    """What an actor stands before: see `emu_stand`. kind: a PointKind, or an OpCode of the host."""

    host: bool
    kind: int
    node: int
    interrupt: int
    nia: int
    ea: int


class Refusal(enum.IntEnum):
    """Why a guest cannot be searched."""

    CODE = lib.EMU_REFUSED_CODE
    STORE = lib.EMU_REFUSED_STORE
    EXIT = lib.EMU_REFUSED_EXIT
    CALL = lib.EMU_REFUSED_CALL
    NO_VCPU = lib.EMU_REFUSED_NO_VCPU


class SearchRefusedError(EmuError):
    """The guest did what a search cannot follow."""

    def __init__(self, refusal: Refusal, actor: int, nia: int) -> None:
        self.refusal = refusal
        self.actor = actor
        self.nia = nia
        super().__init__(f"{_REFUSALS[refusal]}: thread {actor} at {nia:#x}")


_REFUSALS = {
    Refusal.CODE: "the guest left the code that was loaded",
    Refusal.STORE: "the guest stored into its own code, which a search cannot follow",
    Refusal.EXIT: "the guest needs the hypervisor",
    Refusal.CALL: "the hypervisor's code cannot be searched from here",
    Refusal.NO_VCPU: "the hypervisor runs a thread that has no vcpu",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What to search and how far.

    ample: follow one order of steps that commute, where that is sound. spurious: a stwcx. may fail
    although its reservation is there. delayed: native doorbells arrive when they like. landing:
    what pulls a thread out of the guest does so when it likes. forget: SRR0 and SRR1 mean nothing
    after rfid. dead: registers that nobody can read any more are 0. locks: what a lock of the host
    guards needs no scheduling points; not with DPOR. timers: how often time may pass in a run.
    preemptions: most switches away from an actor that could go on, None = any number. pct_depth:
    the d of PCT. max_states: of the algorithms that store states; max_runs: of those that sample;
    max_steps: of one run; max_insns: of one run, all vcpus together, which then is at an end, None
    = any number. first: stop at the first violation. avoid (dfs): a state that a rule forbids is
    not gone beyond and is no end, so that every outcome is one without it. livelocks: report runs
    that go round for ever although whoever can step does; only DFS without a bound on preemptions
    and without `avoid` can tell, and without ample sets.
    """

    algorithm: Algorithm = Algorithm.DFS
    ample: bool = True
    spurious: bool = False
    delayed: bool = False
    landing: bool = False
    fine: bool = False
    forget: bool = False
    dead: bool = False
    locks: bool = False
    timers: int = 0
    preemptions: int | None = None
    pct_depth: int = 3
    seed: int = 0
    max_states: int = UNLIMITED
    max_runs: int = 1000
    max_steps: int = 100_000
    max_insns: int | None = None
    first: bool = False
    avoid: bool = False
    livelocks: bool = False


def _bound(number: int | None, most: int) -> int:
    """What the core is told: a bound that no search can come to is none."""
    return most if number is None else min(number, most)


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts of a search so far."""

    states: int
    steps: int
    runs: int
    ends: int
    depth: int
    max_depth: int
    frontier: int
    cut_runs: int
    cut_preemptions: int
    cut_rounds: int
    cut_timers: int
    circling_runs: int
    nbytes: int


def effort(states: int, steps: int) -> str:
    """How much was searched: the states that were stored, or the steps where none are."""
    return f"{states} states" if states else f"{steps} steps"


class Steps(Sequence[Choice]):
    """A schedule as the core writes it, two bytes a step: few are ever looked at."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def __eq__(self, other: object) -> bool:
        """Whether the same steps are taken in the same order."""
        return isinstance(other, Steps) and self._raw == other._raw

    def __hash__(self) -> int:
        """Equal for equal schedules."""
        return hash(self._raw)

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self._raw) // 2

    def __iter__(self) -> Iterator[Choice]:
        """Every step in turn."""
        raw = self._raw
        return (Choice(a, _KINDS[kind]) for a, kind in zip(raw[::2], raw[1::2], strict=True))

    @overload
    def __getitem__(self, index: int) -> Choice: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Choice, ...]: ...
    def __getitem__(self, index: int | slice) -> Choice | tuple[Choice, ...]:
        """A step, or some of them."""
        return tuple(self)[index]


class Found(NamedTuple):
    """An outcome: the raw words of what is shown, how often, and a schedule that leads there."""

    values: tuple[int, ...]
    times: int
    schedule: Sequence[Choice]


class Wrong(NamedTuple):
    """A violation: its kind and rule (emu_violation_kind), and a schedule that leads there.

    loop: of a livelock, so many of the last steps lead back to where they began.
    """

    kind: int
    rule: int
    schedule: Sequence[Choice]
    loop: int = 0


class Show(NamedTuple):
    """Something to look at in an end state; see `emu_show_kind`."""

    kind: int
    ref: int = 0
    mask: int = (1 << 64) - 1
    shift: int = 0
    nbytes: int = 0
    little: bool = False


@dataclass(slots=True)
class Ended:
    """How run() came to an end: `cut` says in words what bounded it, empty = nothing did.

    unjudged: nothing bounded it, but livelocks were asked for and it cannot tell.
    """

    facts: Facts
    cut: str = ""
    unjudged: bool = False
    outcomes: list[Found] = field(default_factory=list)
    violations: list[Wrong] = field(default_factory=list)


class Told:
    """What searches over one machine are told alike, in the form that the core takes.

    ignored: words that are no part of a state. tests: a group, and terms as Search.test has them.
    """

    def __init__(
        self, ignored: Iterable[int] = (), tests: Iterable[tuple[int, Sequence[Term]]] = ()
    ) -> None:
        raw = [(group, len(terms), terms) for group, terms in tests]
        self.ignored = ffi.new("uint64_t[]", list(ignored))
        self.tests = ffi.new("emu_search_conjunction[]", raw)


_NO_STATE: Final[WeakKeyDictionary[Machine, Told]] = WeakKeyDictionary()


def _no_state(machine: Machine) -> Iterator[int]:
    """Words of every machine that nothing to come depends on."""
    for name in ("sched_rng", "sched_last"):
        yield machine.ref("machine", 0, name)
    for index in range(len(machine.thread)):
        for name in ("hsrr0", "hsrr1", "heir", "hdar", "hdsisr"):
            yield machine.ref("thread", index, name)


@lru_cache(maxsize=64)
def _raw_options(options: Options, longest: int) -> Any:  # noqa: ANN401 - a C struct
    """The options as the core takes them. longest: steps of a run."""
    return ffi.new(
        "emu_search_options *",
        {
            "algorithm": options.algorithm,
            "ample": options.ample,
            "spurious": options.spurious,
            "delayed": options.delayed,
            "landing": options.landing,
            "fine": options.fine,
            "forget": options.forget,
            "dead": options.dead,
            "timers": options.timers,
            "preemptions": _bound(options.preemptions, NO_BOUND),
            "depth": options.pct_depth,
            "seed": options.seed,
            "max_states": _bound(options.max_states, UNLIMITED),
            "max_runs": _bound(options.max_runs, UNLIMITED),
            "max_steps": longest,
            "first": options.first,
            "max_insns": _bound(options.max_insns, UNLIMITED),
            "avoid": options.avoid,
            "livelocks": options.livelocks,
        },
    )


class Search:
    """A search over a machine that stands at the initial state; it belongs to the search then.

    engine, learn: of the hypervisor, if there is one. learn(node, answer) teaches the engine where
    an answer leads.
    """

    def __init__(
        self,
        machine: Machine,
        options: Options,
        engine: Engine | None = None,
        learn: Callable[[int, int], object] | None = None,
    ) -> None:
        self.machine = machine
        self.options = options
        # What a step of DPOR costs grows with those before it.
        short = options.algorithm is Algorithm.DPOR
        self._longest = min(options.max_steps, DPOR_STEPS) if short else options.max_steps
        owner = ffi.NULL if engine is None else engine.handle
        handle = lib.emu_search_new(machine.handle, owner, _raw_options(options, self._longest))
        if handle == ffi.NULL:
            raise MemoryError("no memory for a search")
        kept = (machine, engine)
        self._handle = ffi.gc(handle, lambda it: (lib.emu_search_free(it), kept))
        self._learn = learn
        self._shown = 0
        if machine not in _NO_STATE:
            _NO_STATE[machine] = Told(_no_state(machine))
        self.tell(_NO_STATE[machine])
        if options.max_insns is None:
            self.ignore(*(machine.ref("vcpu", i, "ic") for i in range(len(machine.vcpu))))

    # ---- what the search must know ----

    def tell(self, told: Told) -> None:
        """What other searches over the machine were told too."""
        _check(lib.emu_search_ignore(self._handle, told.ignored, len(told.ignored)))
        _check(lib.emu_search_test(self._handle, told.tests, len(told.tests)))

    def ignore(self, *refs: int) -> None:
        """These words are no part of a state."""
        _check(lib.emu_search_ignore(self._handle, refs, len(refs)))

    def code(self, analysis: Analysis) -> None:
        """The guest's code: every instruction that it can execute."""
        for address, points in _runs(analysis.points):
            raw = ffi.new("emu_point[]", points)
            _check(lib.emu_search_code(self._handle, address, raw, len(points)))
        for granule, bit in analysis.cells.items():
            _check(lib.emu_search_cell(self._handle, granule, bit))

    def show(self, shown: Sequence[Show]) -> None:
        """What makes up an outcome."""
        raw = ffi.new(
            "emu_show[]", [(s.kind, s.nbytes, s.shift, s.little, s.ref, s.mask) for s in shown]
        )
        _check(lib.emu_search_show(self._handle, raw, len(shown)))
        self._shown += len(shown)

    def test(self, group: int, *terms: Term) -> None:
        """Add a test to a group, true if each of up to 4 terms is."""
        _check(lib.emu_search_test(self._handle, [(group, len(terms), terms)], 1))

    def lock(self, ref: int, holder: int = NO_BOUND, *, spins: bool = True) -> None:
        """A word that host code takes by compare-and-set from 0 and lets go by writing 0.

        What it guards is found out, and needs no scheduling points of its own. spins: who finds it
        taken does nothing until it is free. holder: the actor that has it now, if one has.
        """
        _check(lib.emu_search_lock(self._handle, ref, spins, holder))

    def share(self, ref: int) -> None:
        """A word that is watched on the way: every change of it must be a step of its own."""
        _check(lib.emu_search_shared(self._handle, ref))

    def share_cell(self, address: int) -> None:
        """The same for the 8 bytes at a real address."""
        _check(lib.emu_search_shared_cell(self._handle, address))

    def scratch(self, vcpu: int, ref: int) -> None:
        """A word that means nothing while its vcpu is in the guest."""
        _check(lib.emu_search_scratch(self._handle, vcpu, ref))

    @property
    def outbox(self) -> int:
        """Ref of the word that holds native messages on their way: a bit for each thread."""
        ref: int = lib.emu_search_outbox(self._handle)
        return ref

    @property
    def trap(self) -> int:
        """Ref of what ended the run, if that is an interrupt that nobody handles.

        Its vector | (1 + vcpu) << 32, else 0; the next word is where it was taken.
        """
        ref: int = lib.emu_search_trap(self._handle)
        return ref

    def count(self, vcpu: int, vector: int) -> int:
        """Ref of a word that counts a vcpu's interrupts and exits at a vector."""
        ref: int = lib.emu_search_count(self._handle, vcpu, vector)
        if not ref:
            raise MemoryError("no memory for a counter")
        return ref

    def never(self, program: Sequence[tuple[int, int, int]]) -> None:
        """A condition over the shown values, in postfix order, that no state may meet."""
        raw = ffi.new("emu_judge[]", list(program))
        _check(lib.emu_search_never(self._handle, raw, len(program)))

    # ---- one step at a time ----

    def reset(self) -> None:
        """Back to the initial state, every actor before its first visible operation."""
        while (verdict := lib.emu_search_reset(self._handle)) == lib.EMU_SEARCH_LEARN:
            self._teach()
        self._step(verdict)

    def begin_here(self) -> None:
        """Make the state of now the initial one, changes from outside included."""
        lib.emu_search_rebase(self._handle)

    def hold(self, on: bool) -> None:
        """While on, a step ends where an actor enters the guest."""
        lib.emu_search_hold(self._handle, on)

    def single(self, on: bool) -> None:
        """While on, a step is one instruction, interrupt or host operation, visible or not."""
        lib.emu_search_single(self._handle, on)

    def fine(self, on: bool) -> bool:
        """While on, steps are the finest ones; returns what was before."""
        return bool(lib.emu_search_fine(self._handle, on))

    def stands(self, actor: int) -> bool:
        """Whether an actor stands where a step of a schedule begins."""
        return bool(lib.emu_search_stands(self._handle, actor))

    def here(self) -> Mark:
        """The place in the history of steps, to return to."""
        mark = lib.emu_search_here(self._handle)
        return Mark(mark.undo, mark.hash)

    def back(self, mark: Mark) -> None:
        """Return to an earlier place."""
        lib.emu_search_back(self._handle, tuple(mark))

    def notice(self) -> None:
        """Make state words that were written from outside a part of the history."""
        lib.emu_search_notice(self._handle)

    def write(self, address: int, data: bytes) -> None:
        """Write guest memory, as a part of the history. Raises ConfigError for known code."""
        if lib.emu_search_write(self._handle, address, data, len(data)):
            raise ConfigError(
                f"a search follows the code as it was loaded, so {address:#x} cannot be written"
            )

    def stand(self, actor: int) -> Stand:
        """What an actor stands before."""
        raw = ffi.new("emu_stand *")
        if lib.emu_search_stand(self._handle, actor, raw):
            raise ConfigError(f"there is no actor {actor}")
        return Stand(bool(raw.host), raw.kind, raw.node, raw.interrupt, raw.nia, raw.ea)

    def choices(self) -> list[Choice]:
        """What can happen next."""
        out = ffi.new("emu_choice[]", MAX_CHOICES)
        count = lib.emu_search_choices(self._handle, out, MAX_CHOICES)
        return [Choice(c.actor, _KINDS[c.kind]) for c in out[0:count]]

    def take(self, choice: Choice) -> bool:
        """Take one step; False if there is no such choice now."""
        raw = (choice.actor, choice.kind)
        while (verdict := lib.emu_search_take(self._handle, raw)) == lib.EMU_SEARCH_LEARN:
            self._teach()
        if verdict == lib.EMU_SEARCH_LIMIT:
            return False
        self._step(verdict)
        return True

    def refined(self, schedule: Iterable[Choice]) -> list[Choice]:
        """The same schedule in the finest steps, those of the option `fine`.

        Coarse steps depend on what a search has found to be shared; fine ones only on the guest
        and the hypervisor, so they can be replayed anywhere.
        """
        fine: list[Choice] = []
        self.reset()
        for actor in range(MAX_ACTORS):
            crossed = lib.emu_search_crossed(self._handle, actor)
            fine += [Choice(actor, ChoiceKind.GO)] * crossed
        for choice in schedule:
            self.take(choice)
            crossed = lib.emu_search_crossed(self._handle, choice.actor)
            fine += [choice, *[Choice(choice.actor, ChoiceKind.GO)] * crossed]
        return fine

    def _teach(self) -> None:
        raw = self._raw_facts()
        if self._learn is None:
            raise RuntimeError("a search without a hypervisor met its code")
        self._learn(raw.node, raw.answer)

    def _step(self, verdict: int) -> None:
        if verdict != lib.EMU_SEARCH_DONE:
            self._fail(verdict)

    def values(self) -> tuple[int, ...]:
        """The raw words of what is shown, now."""
        out = ffi.new("uint64_t[]", max(1, self._shown))
        lib.emu_search_values(self._handle, out)
        return tuple(out[0 : self._shown])

    def hash(self) -> int:
        """Hash of the current state."""
        number: int = lib.emu_search_hash(self._handle)
        return number

    # ---- what it went through ----

    def reached(self, count: int) -> bytes:
        """A byte for each node of host code below a number, 1 if anybody came to stand there.

        Steps that the search took back count too, here and in executed() and exits().
        """
        out = bytearray(count)
        lib.emu_search_reached(self._handle, ffi.from_buffer("uint8_t[]", out), count)
        return bytes(out)

    def executed(self, address: int, count: int) -> bytes:
        """A byte for each of so many code words from an address on, 1 if it was executed."""
        out = bytearray(count)
        lib.emu_search_executed(self._handle, address, ffi.from_buffer("uint8_t[]", out), count)
        return bytes(out)

    @property
    def exits(self) -> frozenset[Exit]:
        """Why guests were left."""
        bits = lib.emu_search_exits(self._handle)
        return frozenset(why for why in Exit if bits >> why & 1)

    def interrupted(self, vector: int) -> bool:
        """Whether a guest took the interrupt at a vector since this search was made."""
        return bool(lib.emu_search_interrupted(self._handle, vector))

    # ---- running it ----

    def run(self, progress: Callable[[Facts], bool] | None = None) -> Ended:
        """Search until nothing is left or a limit is hit.

        progress: called now and then; False stops the search. Raises SearchRefusedError.
        """
        slice_ = SLICE // 200
        while True:
            begun = time.monotonic()
            verdict = lib.emu_search_run(self._handle, slice_)
            long = time.monotonic() - begun > PATIENCE
            slice_ = max(1, slice_ // 2) if long else min(SLICE, slice_ * 2)
            match verdict:
                case lib.EMU_SEARCH_PAUSE:
                    if progress is not None and not progress(self.facts()):
                        return self._ended(STOPPED)
                case lib.EMU_SEARCH_LEARN:
                    self._teach()
                case lib.EMU_SEARCH_DONE:
                    return self._ended(self._extent())
                case lib.EMU_SEARCH_LIMIT:
                    return self._ended(f"{CUT_OFF} {self.options.max_states} states")
                case lib.EMU_SEARCH_FIRST:
                    return self._ended("stopped at the first violation")
                case _:
                    self._fail(verdict)

    def _fail(self, verdict: int) -> None:
        if verdict == lib.EMU_SEARCH_MEMORY:
            raise MemoryError("no memory to search further")
        raw = self._raw_facts()
        raise SearchRefusedError(Refusal(raw.why), raw.actor, raw.nia)

    def _extent(self) -> str:
        """In words, what an algorithm that came to its end has not seen."""
        options, facts = self.options, self.facts()
        if options.algorithm in (Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS):
            return self._sampled(facts)
        if facts.cut_runs:
            return f"runs cut off at {self._longest} steps"
        if facts.cut_rounds:
            return "runs cut off where they came back to a state"
        bounds = []
        if facts.cut_preemptions:
            bounds.append(f"exhaustive up to {options.preemptions} preemptions")
        if facts.cut_timers:
            bounds.append(time_passed(options.timers))
        return ", ".join(bounds)

    def _sampled(self, facts: Facts) -> str:
        words = [f"sampled, {facts.runs} runs"]
        if facts.cut_runs:
            words.append(f"{facts.cut_runs} of them {CUT_OFF} {self._longest} steps")
        if facts.circling_runs and self.options.livelocks:
            words.append(f"suspected livelock in {facts.circling_runs}")
        return ", ".join(words)

    def _ended(self, cut: str) -> Ended:
        raw = self._raw_facts()
        asked = self.options.livelocks and self.options.algorithm is not Algorithm.DPOR
        return Ended(
            self.facts(),
            cut,
            asked and not raw.livelocks and not cut,
            list(self._found(raw.outcomes)),
            [self._wrong(i) for i in range(raw.violations)],
        )

    def _raw_facts(self) -> Any:  # noqa: ANN401 - a C struct
        raw = ffi.new("emu_search_facts *")
        lib.emu_search_facts_of(self._handle, raw)
        return raw

    def facts(self) -> Facts:
        """The counts so far."""
        raw = self._raw_facts()
        return Facts(
            states=raw.states,
            steps=raw.steps,
            runs=raw.runs,
            ends=raw.ends,
            depth=raw.depth,
            max_depth=raw.max_depth,
            frontier=raw.frontier,
            cut_runs=raw.cut_runs,
            cut_preemptions=raw.cut_preemptions,
            cut_rounds=raw.cut_rounds,
            cut_timers=raw.cut_timers,
            circling_runs=raw.circling_runs,
            nbytes=raw.bytes,
        )

    def _found(self, count: int) -> Iterator[Found]:
        """The first so many outcomes."""
        shown = self._shown
        values = ffi.new("uint64_t[]", max(1, shown))
        times = ffi.new("uint64_t *")
        for index in range(count):
            lib.emu_search_outcome(self._handle, index, values, times)
            schedule = self._schedule(False, index)
            yield Found(tuple(ffi.unpack(values, shown)), times[0], schedule)

    def _wrong(self, index: int) -> Wrong:
        kind, rule = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        lib.emu_search_violation(self._handle, index, kind, rule)
        loop = lib.emu_search_loop(self._handle, index)
        return Wrong(kind[0], rule[0], self._schedule(True, index), loop)

    def _schedule(self, violation: bool, index: int) -> Steps:
        length = lib.emu_search_schedule(self._handle, violation, index, ffi.NULL, 0)
        out = ffi.new("emu_choice[]", max(1, length))
        lib.emu_search_schedule(self._handle, violation, index, out, length)
        return Steps(bytes(ffi.buffer(out, length * ffi.sizeof("emu_choice"))))


def time_passed(times: int) -> str:
    """The bound on how often time passes, in words."""
    return f"time passed at most {times} times"


def _check(status: int) -> None:
    if status:
        raise ConfigError("the search was told of something that the machine does not have")


def _runs(points: Mapping[int, Point]) -> Iterable[tuple[int, list[Point]]]:
    """Points at consecutive addresses together."""
    start = 0
    run: list[Point] = []
    for address in sorted(points):
        if run and address != start + 4 * len(run):
            yield start, run
            run = []
        if not run:
            start = address
        run.append(points[address])
    if run:
        yield start, run
