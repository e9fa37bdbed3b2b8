"""Programs that the fuzzer runs: doorbell, cede and storage operations of a few threads.

A program says what each thread does, and what happens to it from outside; `lowering` writes it out
as a litmus test, and `strategies` draws it. What each operation means is kept, so that properties
know what was promised.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.fuzz.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OPS: Final = 10  # of a thread
MAX_THREADS: Final = 8
CELLS: Final = ("x", "y")
DOORBELL_TYPE: Final = 5


class Op(NamedTuple):
    """An operation of OPERATIONS, and its number, which means what its row says."""

    name: str
    number: int = 0


class Number(enum.Enum):
    """What the number of an operation is."""

    NONE = "0"
    TAG = "a thread of the virtual core, whether there is a vcpu or not"
    BEYOND = "a thread number beyond the SMT mode"
    TYPE = "a message type other than 5"
    VCPU = "a vcpu, or one more than there are"
    FLAG = "0 or 1"
    CELL = "a cell of CELLS"
    WORD = "an instruction word"


class Operation(NamedTuple):
    """A kind of operation. weight: how often it is drawn. native: of the doorbell facility.

    reads: it leaves something in a register that is seen at the end.
    """

    name: str
    summary: str
    weight: int
    number: Number = Number.NONE
    native: bool = True
    reads: bool = False


OPERATIONS: Final = {
    row.name: row
    for row in (
        Operation("send", "msgsndp to a thread of the virtual core, itself included", 20,
                  Number.TAG),
        Operation("send_upper", "the same, with the upper half of RB set", 1, Number.TAG),
        Operation("send_payload", "the same, with (RB)37:56 set", 1, Number.TAG),
        Operation("bad_type", "msgsndp of a message type that is reserved", 2, Number.TYPE),
        Operation("bad_tag", "msgsndp to a thread number beyond the SMT mode", 2, Number.BEYOND),
        Operation("clear", "msgclrp", 5, Number.TAG),
        Operation("bad_clear", "msgclrp of a message type that is reserved", 1, Number.TYPE),
        Operation("dpdes", "read DPDES", 6, reads=True),
        Operation("tir", "read TIR", 2, reads=True),
        Operation("user_send", "msgsndp in problem state", 1, Number.TAG),
        Operation("user_clear", "msgclrp in problem state", 1),
        Operation("user_dpdes", "read DPDES in problem state", 1, reads=True),
        Operation("user_tir", "read TIR in problem state", 1, reads=True),
        Operation("taken", "how many doorbells the thread has taken so far", 2, reads=True),
        Operation("spin_taken", "wait in a loop for a doorbell to be taken", 1),
        Operation("ee", "switch MSR[EE] on (1) or off (0)", 7, Number.FLAG, native=False),
        Operation("cede", "H_CEDE", 9, native=False),
        Operation("prod", "H_PROD of a vcpu", 5, Number.VCPU, native=False),
        Operation("timer", "set the decrementer: it runs out later", 2, native=False),
        Operation("ipi", "H_IPI to a vcpu", 3, Number.VCPU, native=False),
        Operation("accept", "H_CPPR: let an IPI of the interrupt controller in", 3, native=False),
        Operation("store", "store 1 to a cell", 5, Number.CELL, native=False),
        Operation("load", "load a cell", 5, Number.CELL, native=False, reads=True),
        Operation("wait", "load a cell, and once more if it is 0", 2, Number.CELL, native=False,
                  reads=True),
        Operation("spin", "load a cell until it is not 0", 2, Number.CELL, native=False,
                  reads=True),
        Operation("reserve", "lwarx of a cell", 2, Number.CELL, native=False, reads=True),
        Operation("conditional", "stwcx. of 2 to a cell, and whether it stored", 2, Number.CELL,
                  native=False, reads=True),
        Operation("word", "an instruction of the table, on registers of its own", 4, Number.WORD,
                  native=False),
    )
}  # fmt: skip
# What operations are about: many a program is about one thing, or two or three.
FAMILIES: Final = (
    ("send", "send_upper", "send_payload", "bad_type", "bad_tag", "clear", "bad_clear"),
    ("dpdes", "tir", "taken", "spin_taken"),
    ("user_send", "user_clear", "user_dpdes", "user_tir"),
    ("ee",),
    ("cede", "prod"),
    ("timer", "ipi", "accept"),
    ("store", "load", "wait", "spin", "reserve", "conditional"),
    ("word",),
)
SENDS: Final = ("send", "send_upper", "send_payload")
PROBLEM_STATE: Final = ("user_send", "user_clear", "user_dpdes", "user_tir")
POLICIES: Final = ("entry_exit:count",)  # of POWER7 and POWER8; the default is not named
SPINS: Final = ("spin", "spin_taken")  # operations that may take for ever
XICS: Final = ("ipi", "accept")  # operations that use the interrupt controller
# Agents. Those that name no vcpu, as they are about the whole VM.
WHOLE_VM: Final = ("migrate", "from-power8", "from-power9")
PASSING: Final = ("signal", "sync", *WHOLE_VM, "preempt")  # those that a guest does not notice
STOPPERS: Final = ("signal", "stop", "sync", *WHOLE_VM)  # and that stop vcpus: one at most
DEVICES: Final = ("external",)
AGENTS: Final = (*STOPPERS, "preempt", *DEVICES)


@dataclass(frozen=True, slots=True)
class Program:
    """What threads do, and what happens to them from outside.

    smt: virtual threads of a core. ee: MSR[EE] of each thread at the start. agents: events from
    outside, in any order, each at any time. The handler of doorbells may clear the doorbell that
    has come meanwhile; answer the first one with a doorbell to the next thread of its core; and let
    other interrupts in while it runs. policy: of the hypervisor, as a litmus test says it. core: of
    the host, on which the VM begins.
    """

    threads: tuple[tuple[Op, ...], ...]
    smt: int
    ee: tuple[bool, ...]
    little: bool = False
    handler_clears: bool = False
    handler_sends: bool = False
    handler_nests: bool = False
    agents: tuple[str, ...] = ()
    policy: str = ""
    core: int = 0

    def target(self, thread: int, op: Op) -> int | None:
        """The thread that a doorbell reaches, if it is one that reaches any."""
        if op.name not in SENDS:
            return None
        return self._thread(thread, op.number)

    def answered(self, thread: int) -> int | None:
        """The thread that the handler of a thread answers to, if there is one."""
        return self._thread(thread, (thread + 1) % self.smt)

    def _thread(self, thread: int, tag: int) -> int | None:
        found = thread - thread % self.smt + tag
        return found if found < len(self.threads) else None

    def operations(self) -> Iterator[tuple[int, int, Op]]:
        """Every operation: its thread, its place there, itself."""
        for thread, ops in enumerate(self.threads):
            for place, op in enumerate(ops):
                yield thread, place, op

    def events(self) -> tuple[str, ...]:
        """The agents that act. A line and the interrupt controller would share one handler."""
        if not self.has(*XICS):
            return self.agents
        return tuple(agent for agent in self.agents if not agent.startswith(DEVICES))

    def stopped(self) -> set[int]:
        """Threads that something from outside stops for ever."""
        named = (agent.partition(":") for agent in self.agents)
        return {int(number) for name, _, number in named if name == "stop"}

    def has(self, *names: str) -> bool:
        """Whether it has an operation of any of these names."""
        for ops in self.threads:  # asked for often: no generator
            for op in ops:
                if op.name in names:
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be drawn. None: any that the machine has."""

    smt: int | None = None
    threads: int | None = None
    little: bool | None = None


def numbers(name: str, smt: int, count: int, host: str = "power7") -> tuple[int, ...]:
    """What the number of an operation may be, in a program of so many threads on a host."""
    match OPERATIONS[name].number:
        case Number.TAG:
            return tuple(range(smt))  # perhaps of a vcpu that does not exist
        case Number.BEYOND:
            # A subcore of POWER8 has two threads at least, whatever the VM makes of them.
            first = max(smt, 2) if host == "power8" else smt
            return (first, first + 1, 64, 127)
        case Number.TYPE:
            return tuple(n for n in range(32) if n != DOORBELL_TYPE)
        case Number.VCPU:
            return tuple(range(count + 1))
        case Number.FLAG:
            return (0, 1)
        case Number.CELL:
            return (*[0] * 3, *range(1, len(CELLS)))  # threads meet in a cell more often than not
        case Number.WORD:
            return words(host)
        case Number.NONE:
            return (0,)


def without(program: Program, *names: str) -> Program:
    """The program with a nop in place of each operation of these names."""
    threads = tuple(
        tuple(Op("nop") if op.name in names else op for op in ops) for ops in program.threads
    )
    return replace(program, threads=threads)


# ---- smaller ones ----------------------------------------------------------------------------


def smaller(program: Program) -> Iterator[Program]:
    """Programs with one thing less, those that lose most first."""
    for i in range(len(program.agents)):
        yield replace(program, agents=(*program.agents[:i], *program.agents[i + 1 :]))
    if program.policy:
        yield replace(program, policy="")
    if program.core:
        yield replace(program, core=0)
    if program.handler_clears:
        yield replace(program, handler_clears=False)
    if program.handler_sends:
        yield replace(program, handler_sends=False)
    if program.handler_nests:
        yield replace(program, handler_nests=False)
    yield from _fewer_threads(program)
    for thread, place, _ in program.operations():
        yield _with(program, thread, place, ())
    for thread, place, op in program.operations():
        if op.name in ("send_upper", "send_payload"):
            yield _with(program, thread, place, (Op("send", op.number),))
        elif op.name in ("wait", "spin", "reserve"):
            yield _with(program, thread, place, (Op("load", op.number),))
        elif op.name == "clear" and op.number:
            yield _with(program, thread, place, (Op("clear"),))
    if program.little:
        yield replace(program, little=False)
    for thread, on in enumerate(program.ee):
        if on:
            ee = (*program.ee[:thread], False, *program.ee[thread + 1 :])
            yield replace(program, ee=ee)


def _with(program: Program, thread: int, place: int, ops: tuple[Op, ...]) -> Program:
    """The program with these operations in the place of one."""
    old = program.threads[thread]
    new = (*old[:place], *ops, *old[place + 1 :])
    threads = (*program.threads[:thread], new, *program.threads[thread + 1 :])
    return replace(program, threads=threads)


def _fewer_threads(program: Program) -> Iterator[Program]:
    """Without a virtual core, without a thread, in a smaller SMT mode."""
    count, smt = len(program.threads), program.smt
    for first in range(0, count if count > smt else 0, smt):
        yield _dropped(program, range(first, min(first + smt, count)))
    if count > 1:
        for thread in reversed(range(count)):
            yield _dropped(program, range(thread, thread + 1))
    tags = (op.number for _, _, op in program.operations() if _kind(op) is Number.TAG)
    if smt > 1 and all(tag < smt // 2 for tag in tags):
        yield replace(program, smt=smt // 2)


def _dropped(program: Program, gone: range) -> Program:
    """The program without these threads; what names those behind them names them still.

    In another core than before, where that is one: the candidate is judged as it is.
    """

    def number(old: int) -> int:
        return old - len(gone) if old >= gone.stop else min(old, gone.start)

    def moved(thread: int, op: Op) -> Op:
        match _kind(op):
            case Number.VCPU:
                return Op(op.name, number(op.number))
            case Number.TAG:
                target = thread - thread % program.smt + op.number
                return op if target in gone else Op(op.name, number(target) % program.smt)
            case _:
                return op

    kept = [i for i in range(len(program.threads)) if i not in gone]
    agents = []
    for agent in program.agents:
        name, _, of = agent.partition(":")
        if not of or int(of) not in gone:
            agents.append(f"{name}:{number(int(of))}" if of else agent)
    return replace(
        program,
        threads=tuple(tuple(moved(i, op) for op in program.threads[i]) for i in kept),
        ee=tuple(program.ee[i] for i in kept),
        agents=tuple(agents),
    )


def _kind(op: Op) -> Number:
    """What the number of an operation is; a nop, which is in no table, has none."""
    return OPERATIONS[op.name].number if op.name in OPERATIONS else Number.NONE
