"""Programs that the fuzzer runs: doorbell, cede and storage operations of a few threads.

A program is a litmus test in the making; `litmus` writes it out as one. What is kept beside the
test's text is what each operation means, so that properties know what was promised. Drawing is
seeded and depends on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.explore.litmus.model import (
    Address,
    Cell,
    Doorbell,
    Ghost,
    GhostKind,
    Handler,
    Initial,
    Litmus,
    Location,
    Register,
)
from emu.explore.litmus.text import litmus_text

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

DOORBELL_VECTOR: Final = 0xA00
UNREAD: Final = 0x7777  # what a register holds before TIR is read into it
HANDLER_REGISTER: Final = 28
FIRST_REGISTER: Final = 6
MAX_OPS: Final = 10
CELLS: Final = ("x", "y")


class Op(NamedTuple):
    """An operation of OPERATIONS, and its number: a tag, a vcpu, a cell, or 0 and 1."""

    name: str
    number: int = 0


class Operation(NamedTuple):
    """A kind of operation. weight: how often it is drawn. native: of the doorbell facility."""

    name: str
    summary: str
    weight: int
    native: bool = True


OPERATIONS: Final = {
    row.name: row
    for row in (
        Operation("send", "msgsndp to a thread of the virtual core, itself included", 10),
        Operation("send_upper", "the same, with the upper half of RB set", 1),
        Operation("bad_type", "msgsndp of a message type that is reserved", 1),
        Operation("bad_tag", "msgsndp to a thread number beyond the SMT mode", 1),
        Operation("clear", "msgclrp", 2),
        Operation("dpdes", "read DPDES", 3),
        Operation("tir", "read TIR", 1),
        Operation("ee", "switch MSR[EE] on (1) or off (0)", 3, native=False),
        Operation("cede", "H_CEDE", 4, native=False),
        Operation("prod", "H_PROD of a vcpu", 2, native=False),
        Operation("store", "store 1 to a cell", 2, native=False),
        Operation("load", "load a cell", 2, native=False),
    )
}
AGENTS: Final = ("signal", "sync", "migrate")


@dataclass(frozen=True, slots=True)
class Program:
    """smt: virtual threads of a core. ee: MSR[EE] at the start. agents: events from outside."""

    threads: tuple[tuple[Op, ...], ...]
    smt: int
    ee: tuple[bool, ...]
    little: bool = False
    handler_clears: bool = False
    agents: tuple[str, ...] = ()

    def target(self, thread: int, op: Op) -> int | None:
        """The thread that a doorbell reaches, if it is one that reaches any."""
        if op.name not in ("send", "send_upper"):
            return None
        found = thread - thread % self.smt + op.number
        return found if found < len(self.threads) else None

    def operations(self) -> Iterator[tuple[int, int, Op]]:
        """Every operation: its thread, its place there, itself."""
        for thread, ops in enumerate(self.threads):
            for place, op in enumerate(ops):
                yield thread, place, op


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be drawn. None: any that the machine has."""

    smt: int | None = None
    threads: int | None = None
    little: bool | None = None


def draw(source: random.Random, host: str, bounds: Bounds) -> Program:
    """Draw a program for a host; small ones are likely, large ones happen."""
    smt = bounds.smt or source.choices((1, 2, 4, 8), (1, 10, 4, 1))[0]
    if host == "power7" and bounds.smt is None:
        smt = min(smt, 4)
    count = bounds.threads or source.choices((1, 2, 3, 4), (1, 12, 4, 1))[0]
    names = [o.name for o in OPERATIONS.values() if host != "power7" or not o.native]
    weights = [OPERATIONS[name].weight for name in names]
    threads = tuple(
        tuple(
            _operation(source, name, smt, count)
            for name in source.choices(names, weights, k=_length(source, count))
        )
        for _ in range(count)
    )
    agents: tuple[str, ...] = ()
    if source.random() < 0.2:
        agent = source.choice(AGENTS)
        agents = (agent if agent == "migrate" else f"{agent}:{source.randrange(count)}",)
    return Program(
        threads,
        smt,
        tuple(source.random() < 0.5 for _ in range(count)),
        little=source.random() < 0.2 if bounds.little is None else bounds.little,
        handler_clears=host != "power7" and source.random() < 0.1,
        agents=agents,
    )


def _length(source: random.Random, count: int) -> int:
    """Operations of a thread: the more threads, the fewer."""
    length = 1
    while length < MAX_OPS and source.random() < 0.9 / count:
        length += 1
    return length


def _operation(source: random.Random, name: str, smt: int, count: int) -> Op:
    return Op(name, source.choice(numbers(name, smt, count)))


def numbers(name: str, smt: int, count: int) -> tuple[int, ...]:
    """What the number of an operation may be, in a program of so many threads."""
    match name:
        case "send" | "send_upper":
            return tuple(range(smt))  # perhaps of a vcpu that does not exist
        case "bad_tag":
            return (smt, smt + 1, 64, 127)
        case "prod":
            return tuple(range(count + 1))
        case "ee":
            return (0, 1)
        case "store" | "load":
            return tuple(range(len(CELLS)))
        case _:
            return (0,)


# ---- as a litmus test ------------------------------------------------------------------------


def result_register(place: int) -> str:
    """The register that the operation at a place of its thread reads into."""
    return f"r{FIRST_REGISTER + place}"


def litmus(program: Program, host: str, name: str = "fuzz") -> Litmus:
    """The program as a test that shows all that the guest and its hypervisor know at the end."""
    count = len(program.threads)
    test = Litmus(name=name, path=f"<{name}>")
    test.title = "drawn by emu fuzz"
    test.header = {"Hosts": host, "SMT": str(program.smt)}
    test.header["EE"] = ",".join(str(int(on)) for on in program.ee)
    if program.little:
        test.header["Endian"] = "little"
    if program.agents:
        test.header["Agent"] = ",".join(program.agents)
    test.threads = [[] for _ in range(count)]
    for thread, place, op in program.operations():
        _write(test, thread, place, op)
    if host != "power7":
        body = [f"msgclrp r{HANDLER_REGISTER}"] if program.handler_clears else []
        test.handlers = [Handler(DOORBELL_VECTOR, None, tuple(map(_cell, [*body, "rfid"])), 1, 1)]
        if program.handler_clears:
            for thread in range(count):
                test.registers[Register(thread, f"r{HANDLER_REGISTER}")] = Doorbell(0)
    for thread in range(count):
        kinds = (GhostKind.TAKEN, GhostKind.PEND, GhostKind.BLOCKED)
        test.locations += [Ghost(kind, thread) for kind in kinds]
    test.text = litmus_text(test)
    return test


def _cell(text: str) -> Cell:
    return Cell(text, 1, 1)


def _write(test: Litmus, thread: int, place: int, op: Op) -> None:
    """Append an operation to its column, with the registers that it needs."""
    register = Register(thread, result_register(place))
    operand, address = register.name, f"r{FIRST_REGISTER + MAX_OPS + place}"
    value: Initial | None = None
    match op.name:
        case "send" | "bad_tag":
            text, value = f"msgsndp {operand}", Doorbell(op.number)
        case "send_upper":
            text, value = f"msgsndp {operand}", 0xDEAD_BEEF << 32 | Doorbell(op.number).image
        case "bad_type":
            text, value = f"msgsndp {operand}", 4 << 27
        case "clear":
            text, value = f"msgclrp {operand}", Doorbell(0)
        case "dpdes":
            text, value = f"mfspr {operand},DPDES", 0
        case "tir":
            text, value = f"mfspr {operand},TIR", UNREAD
        case "ee" | "prod":
            text = f"{op.name} {op.number}"
        case "store" | "load":
            name = CELLS[op.number]
            text = f"{'stw' if op.name == 'store' else 'lwz'} {operand},0({address})"
            test.registers[Register(thread, address)] = Address(name)
            test.memory[name] = 0
            value = int(op.name == "store")
        case _:
            text = op.name
    test.threads[thread].append(_cell(text))
    if value is not None:
        test.registers[register] = value
    if op.name in ("dpdes", "tir", "load"):
        test.locations.append(register)
    if op.name == "store" and Location(CELLS[op.number]) not in test.locations:
        test.locations.append(Location(CELLS[op.number]))


# ---- smaller ones ----------------------------------------------------------------------------


def smaller(program: Program) -> Iterator[Program]:
    """Programs with one thing less, those that lose most first."""
    if program.agents:
        yield replace(program, agents=())
    if program.handler_clears:
        yield replace(program, handler_clears=False)
    last = len(program.threads) - 1
    if last and not any(agent.endswith(f":{last}") for agent in program.agents):
        yield replace(program, threads=program.threads[:-1], ee=program.ee[:-1])
    for thread, place, _ in program.operations():
        ops = program.threads[thread]
        less = (*ops[:place], *ops[place + 1 :])
        threads = (*program.threads[:thread], less, *program.threads[thread + 1 :])
        yield replace(program, threads=threads)
    if program.little:
        yield replace(program, little=False)
    for thread, on in enumerate(program.ee):
        if on:
            ee = (*program.ee[:thread], False, *program.ee[thread + 1 :])
            yield replace(program, ee=ee)
