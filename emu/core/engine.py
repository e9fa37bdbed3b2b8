"""The engine that walks learned host code; the only door to csrc/engine.abi.h.

Knows operations only as numbers: `emu.hv.ops` gives them their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from emu.core._emu import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emu.core.machine import Machine
    from emu.core.watching import Watching


class Verdict(IntEnum):
    """Why a walk came back; see `emu_verdict`."""

    PAUSE = lib.EMU_WALK_PAUSE
    LEARN = lib.EMU_WALK_LEARN
    CALL = lib.EMU_WALK_CALL
    STOPPED = lib.EMU_WALK_STOPPED
    DEADLOCK = lib.EMU_WALK_DEADLOCK
    TRAP = lib.EMU_WALK_TRAP
    BREAK = lib.EMU_WALK_BREAK
    DIVERGED = lib.EMU_WALK_DIVERGED
    MEMORY = lib.EMU_WALK_MEMORY


class Order(IntEnum):
    """Who goes next; see `emu_sched_kind`."""

    RR = lib.EMU_SCHED_RR
    RANDOM = lib.EMU_SCHED_RANDOM
    PCT = lib.EMU_SCHED_PCT
    REPLAY = lib.EMU_SCHED_REPLAY


class Turn(NamedTuple):
    """One entry of a schedule: an actor, and how many guest instructions it may do.

    steps: not 0: how many steps it does instead, of guest or host code (`emu_step`), unless it
    waits before.
    """

    actor: int
    slice: int
    steps: int = 0


class Observed(NamedTuple):
    """One event of the ring."""

    tb: int
    actor: int
    vcpu: int
    event: int
    value: int
    nia: int


class StepKind(IntEnum):
    """What one step of a machine was; see `emu_step`."""

    NONE = lib.EMU_STEP_NONE
    TURN = lib.EMU_STEP_TURN
    GUEST = lib.EMU_STEP_GUEST
    EXIT = lib.EMU_STEP_EXIT
    HOST = lib.EMU_STEP_HOST
    WAIT = lib.EMU_STEP_WAIT


@dataclass(slots=True)
class Stop:
    """Where a walk came back: see `emu_run_args`."""

    verdict: Verdict
    actor: int
    node: int
    answer: int
    insns: int
    next_turn: int
    steps: int
    last: StepKind
    last_node: int


UNLIMITED = (1 << 64) - 1
ACTOR_WORDS: int = ffi.sizeof("emu_actor") // 8


STRUCTS = {
    "machine": "emu_machine_state",
    "vcpu": "emu_vcpu",
    "thread": "emu_thread",
    "subproc": "emu_subproc",
    "actor": "emu_actor",
}


def fields(struct: str) -> tuple[int, dict[str, int]]:
    """Return a struct's size in words, and the word at which each of its fields begins."""
    kind = ffi.typeof(STRUCTS[struct])
    return ffi.sizeof(kind) // 8, {name: field.offset // 8 for name, field in kind.fields}


class Engine:
    """Nodes, edges, consoles and observations; any number of machines of one layout can use it."""

    def __init__(self) -> None:
        self._engine = ffi.gc(_allocated(lib.emu_engine_new()), lib.emu_engine_free)
        self._args = ffi.new("emu_run_args *")
        self._turns = ffi.NULL
        self._nevents = 0
        self._nvcpus = 0

    @property
    def handle(self) -> object:
        """The C engine, for those who walk it themselves."""
        return self._engine

    # -- the automaton

    def add_node(
        self,
        op: int,
        *,
        visible: bool,
        ref: int = 0,
        ref2: int = 0,
        a: int = 0,
        b: int = 0,
        entries: int = 0,
        pool: Sequence[int] = (),
    ) -> int:
        """Return the number of a new node, from 1."""
        node = ffi.new(
            "emu_node *",
            {
                "op": op,
                "visible": visible,
                "ref": ref,
                "ref2": ref2,
                "a": a,
                "b": b,
                "list_len": entries,
            },
        )
        return int(_some(lib.emu_engine_node(self._engine, node, pool, len(pool))))

    def add_edge(self, node: int, answer: int, target: int) -> None:
        """Lead from a node to another, or to 0: the host code returned."""
        _some(lib.emu_engine_edge(self._engine, node, answer, target))

    def set_hcalls(self, numbers: Sequence[int]) -> None:
        """Say which hcall numbers a guest's exit is to tell apart."""
        _some(lib.emu_engine_hcalls(self._engine, numbers, len(numbers)))

    # -- running

    def enabled(self, machine: Machine, actor: int) -> bool:
        """Whether the actor could take a step now."""
        return bool(lib.emu_engine_enabled(self._engine, machine.handle, actor))

    def set_turns(self, turns: Iterable[Turn]) -> None:
        """Say what Order.REPLAY replays."""
        listed = list(turns)
        self._turns = ffi.new("emu_turn[]", listed)
        self._args.turns = self._turns
        self._args.nturns = len(listed)
        self._args.next_turn = 0

    def run(
        self,
        machine: Machine,
        order: Order,
        slice_insns: int,
        max_insns: int,
        max_nodes: int,
        *,
        max_steps: int = UNLIMITED,
        watching: Watching | None = None,
    ) -> Stop:
        """Walk until something needs Python, or a limit of this call is reached.

        With `watching` it goes step by step, and pauses also for what that says.
        """
        args = self._args
        args.scheduler = order
        args.slice = slice_insns
        args.max_insns = max_insns
        args.max_nodes = max_nodes
        args.max_steps = max_steps
        if watching is None:
            verdict = lib.emu_engine_run(self._engine, machine.handle, args)
        else:
            verdict = lib.emu_debug_run(self._engine, machine.handle, args, watching.handle)
        return Stop(
            Verdict(verdict),
            args.actor,
            args.node,
            args.answer,
            args.insns,
            args.next_turn,
            args.steps,
            StepKind(args.last),
            args.last_node,
        )

    def judge(
        self, machine: Machine, watching: Watching, actor: int, kind: StepKind, node: int
    ) -> bool:
        """Whether a step that was done otherwise is to stop; `watching` says for what.

        node: at which an exit or host operation was. Interrupts taken are not looked at.
        """
        args = self._args
        args.steps, args.actor, args.last, args.last_node = 1, actor, kind, node
        return bool(lib.emu_debug_after(self._engine, machine.handle, args, watching.handle))

    def judge_first(self, machine: Machine, watching: Watching) -> bool:
        """Whether it is to stop before the first step."""
        return bool(lib.emu_debug_before(self._engine, machine.handle, watching.handle))

    def turn(self, machine: Machine) -> int | None:
        """Return the actor whose turn goes on with the next step; None: the scheduler chooses."""
        actor = lib.emu_engine_turn(self._engine, machine.handle)
        return None if actor < 0 else int(actor)

    def guest(self, machine: Machine, actor: int) -> int | None:
        """Return the vcpu whose guest an actor is to run next; None: it stands in host code."""
        vcpu = lib.emu_engine_guest(self._engine, machine.handle, actor)
        return vcpu - 1 if vcpu else None

    def in_guest(self, machine: Machine, vcpu: int) -> bool:
        """Whether some actor is to run this vcpu's guest next."""
        return bool(lib.emu_engine_in_guest(self._engine, machine.handle, vcpu))

    @property
    def next_turn(self) -> int:
        """How many turns of Order.REPLAY have begun."""
        return int(self._args.next_turn)

    @next_turn.setter
    def next_turn(self, turns: int) -> None:
        self._args.next_turn = turns

    # -- observation

    def observe(self, nvcpus: int, nevents: int) -> None:
        """Start counting events 0 to nevents - 1 of each vcpu."""
        _some(lib.emu_engine_observe(self._engine, nvcpus, nevents))
        self._nvcpus, self._nevents = nvcpus, nevents

    def counters(self, vcpu: int) -> list[int]:
        """Return the counts of a vcpu, by event."""
        first = lib.emu_engine_counters(self._engine) + vcpu * self._nevents
        return list(ffi.unpack(first, self._nevents))

    @property
    def all_counters(self) -> memoryview:
        """View the counts of all vcpus together."""
        n = self._nvcpus * self._nevents
        return memoryview(ffi.buffer(lib.emu_engine_counters(self._engine), 8 * n)).cast("Q")

    def keep_events(self, count: int) -> None:
        """Keep the last events in a ring of this size, a power of two; 0 = keep none."""
        if not lib.emu_engine_ring(self._engine, count):
            raise ValueError(f"the ring's size must be a power of two, got {count}")

    def drain(self) -> list[Observed]:
        """Return the events kept since the last call, oldest first."""
        found: list[Observed] = []
        chunk = ffi.new("emu_event[]", 1024)
        while n := lib.emu_engine_drain(self._engine, chunk, 1024):
            found += [Observed(e.tb, e.actor, e.vcpu, e.event, e.value, e.nia) for e in chunk[0:n]]
        return found

    def overrun(self) -> int:
        """Return how many events the ring had no room for."""
        return int(lib.emu_engine_overrun(self._engine))

    def record(self, on: bool) -> None:
        """Keep the turns of the runs to come, from none."""
        _some(lib.emu_engine_record(self._engine, on))

    def recorded(self) -> list[Turn]:
        """Return the turns kept."""
        n = lib.emu_engine_recorded(self._engine, ffi.NULL, 0)
        turns = ffi.new("emu_turn[]", n)
        lib.emu_engine_recorded(self._engine, turns, n)
        return [Turn(turn.actor, turn.slice, turn.steps) for turn in turns]

    # -- consoles

    def set_consoles(self, count: int) -> None:
        """Make consoles 0 to count - 1, without input or output."""
        _some(lib.emu_engine_consoles(self._engine, count))

    def feed(self, console: int, data: bytes) -> None:
        """Append to a console's input."""
        _some(lib.emu_engine_feed(self._engine, console, data, len(data)))

    def put(self, console: int, at: int, data: bytes) -> None:
        """Make bytes of a console's output what they are given to be."""
        _some(lib.emu_engine_put(self._engine, console, at, data, len(data)))

    def output(self, console: int, begin: int, end: int) -> bytes:
        """Return bytes begin:end of what a console was given."""
        if begin >= end:
            return b""
        first = lib.emu_engine_output(self._engine, console)
        return bytes(ffi.buffer(first + begin, end - begin))


def _some(value: int) -> int:
    """Raise what a C function means by 0."""
    if not value:
        raise MemoryError("the engine is out of memory")
    return value


def _allocated(pointer: object) -> object:
    if pointer == ffi.NULL:
        raise MemoryError("the engine is out of memory")
    return pointer
