"""A program as a litmus test that shows all that the guest and its hypervisor know at the end.

Registers: r3 to r5 and r31 belong to macros, r6 to r15 hold operands and results by place, r16 and
r17 the addresses of the cells, r1 and r2 belong to instruction words, the rest to handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.explore.litmus.model import (
    Address,
    Cell,
    CellType,
    Doorbell,
    Ghost,
    GhostKind,
    Handler,
    Litmus,
    Location,
    Register,
)
from emu.explore.litmus.text import litmus_text
from emu.fuzz.programs import CELLS, OPERATIONS, PROBLEM_STATE, SPINS, XICS, Op, Program
from emu.fuzz.reference.doorbells import ALLOWED, goes_round
from emu.fuzz.words import REGISTERS, text_of
from emu.isa.interrupts import BY_NAME
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Iterable

UNREAD: Final = 0x7777  # what a register holds before TIR or the count of doorbells is read into it
FIRST_REGISTER: Final = 6
FIRST_ADDRESS: Final = 16
STORED, STORED_CONDITIONALLY = 1, 2
PROGRAM_INTERRUPT: Final = BY_NAME["program"].vector

MSR_IMAGE, SCRATCH, EXTERNAL_SCRATCH, EXTERNAL_FLAG = "r18", "r19", "r20", "r21"
NESTED, ANSWERED, SRR0_COPY, SRR1_COPY = "r22", "r23", "r24", "r25"
TICKS, FOREVER = "r27", "r0"
EE_IMAGE, CLEAR_MESSAGE, ANSWER_MESSAGE, TAKEN = "r26", "r28", "r29", "r30"

# Interrupts of a doorbell handler that lets others in, but not into itself twice.
_OPEN: Final = (
    f"cmpwi cr7,{NESTED},0",
    "bne- cr7,.+36",  # inside it already: leave the outer one's copies alone
    f"li {NESTED},1",
    f"mfsrr0 {SRR0_COPY}",
    f"mfsrr1 {SRR1_COPY}",
    f"mtmsrd {EE_IMAGE},1",
    f"mtmsrd {NESTED},1",  # MSR[EE] := 0: the bit is not set in 1
    f"mtsrr0 {SRR0_COPY}",
    f"mtsrr1 {SRR1_COPY}",
    f"li {NESTED},0",
)
_ANSWER: Final = (
    f"cmpwi cr7,{ANSWERED},0",
    "bne- cr7,.+12",
    f"li {ANSWERED},1",
    f"msgsndp {ANSWER_MESSAGE}",
)
# A device's line stays asserted, so the handler returns with MSR[EE] = 0. In problem state that is
# 1 whatever a handler wants: it returns to privileged state, to the instruction that follows.
_EXTERNAL: Final = (
    f"li {EXTERNAL_FLAG},1",
    f"mfsrr1 {EXTERNAL_SCRATCH}",
    f"rlwinm {SCRATCH},{EXTERNAL_SCRATCH},20,29,29",  # 4 if MSR[PR] was 1
    f"rldicl {EXTERNAL_SCRATCH},{EXTERNAL_SCRATCH},48,2",
    f"rldicl {EXTERNAL_SCRATCH},{EXTERNAL_SCRATCH},16,0",
    f"mtsrr1 {EXTERNAL_SCRATCH}",
    f"mfsrr0 {EXTERNAL_SCRATCH}",
    f"add {EXTERNAL_SCRATCH},{EXTERNAL_SCRATCH},{SCRATCH}",
    f"mtsrr0 {EXTERNAL_SCRATCH}",
    "rfid",
)
# H_XIRR takes the IPI, and lets no other one in. An interrupt without one is not counted.
_IPI: Final = (
    f"mr {SCRATCH},r3",
    f"mr {EXTERNAL_SCRATCH},r4",
    "li r3,0x74",
    "sc 1",
    "clrldi r4,r4,40",
    "addi r4,r4,-1",
    "srdi r4,r4,63",
    "xori r4,r4,1",
    f"add {EXTERNAL_FLAG},{EXTERNAL_FLAG},r4",
    f"mr r3,{SCRATCH}",
    f"mr r4,{EXTERNAL_SCRATCH}",
    "rfid",
)
_DECREMENTER: Final = (f"mtdec {FOREVER}", f"addi {TICKS},{TICKS},1", "rfid")
TICKS_TO_GO: Final = 100
# Back to privileged state, to the instruction after the one that is not allowed.
_PROGRAM: Final = (
    f"mfsrr0 {SCRATCH}",
    f"addi {SCRATCH},{SCRATCH},4",
    f"mtsrr0 {SCRATCH}",
    f"mtsrr1 {MSR_IMAGE}",
    "rfid",
)


def result_register(place: int) -> str:
    """The register that the operation at a place of its thread reads into."""
    return f"r{FIRST_REGISTER + place}"


def initial_result(name: str) -> int:
    """What the register of an operation that reads holds before."""
    return UNREAD if name in ("tir", "taken", "user_dpdes", "user_tir") else 0


def counts_doorbells(program: Program) -> bool:
    """Whether the handler of doorbells counts them."""
    return program.has("taken", "spin_taken")


def interrupted_by_devices(program: Program) -> bool:
    """Whether there is a handler of external interrupts, which counts them."""
    return program.has(*XICS) or any(agent.startswith("external") for agent in program.events())


def litmus(program: Program, host: str, name: str = "fuzz", *, text: bool = True) -> Litmus:
    """The program as a litmus test; without its text, which only people need, it is done sooner."""
    count = len(program.threads)
    test = Litmus(name=name, path=f"<{name}>")
    test.title = "drawn by emu fuzz"
    test.header = {"Hosts": host, "SMT": str(program.smt)}
    test.header["EE"] = ",".join(str(int(on)) for on in program.ee)
    if program.little:
        test.header["Endian"] = "little"
    if program.events():
        test.header["Agent"] = ",".join(program.events())
    if program.policy:
        test.header["Policy"] = program.policy
    if program.core:
        test.header["Core"] = str(program.core)
    if program.has("timer"):
        test.header["Timers"] = "1"
    if program.has(*SPINS) and goes_round(program, ALLOWED[host]):
        test.header["Livelock"] = "allowed"
    test.threads = [[] for _ in range(count)]
    for thread, place, op in program.operations():
        _write(test, thread, place, op)
    if host != "power7":
        _doorbell_handler(test, program)
    if interrupted_by_devices(program):
        body = _IPI if program.has(*XICS) else _EXTERNAL
        test.handlers.append(_handler("external", body))
        for thread in range(count):
            _show(test, Register(thread, EXTERNAL_FLAG), 0)
    if program.has("timer"):
        test.handlers.append(_handler("decrementer", _DECREMENTER))
        for thread in range(count):
            test.registers[Register(thread, FOREVER)] = 0x7FFF_FFFF
            _show(test, Register(thread, TICKS), 0)
    if program.has(*PROBLEM_STATE):
        test.handlers.append(_handler("program", _PROGRAM))
        image = mask("MSR", "SF", "ME", "EE", *(["LE"] if program.little else []))
        _everywhere(test, MSR_IMAGE, image)
        test.locations += [Ghost(GhostKind.TRAP, t, PROGRAM_INTERRUPT) for t in range(count)]
    for thread in range(count):
        if any(op.name == "word" for op in program.threads[thread]):
            for number, value in REGISTERS.items():
                register = Register(thread, f"r{number}")
                test.types[register] = CellType.UINT64
                _show(test, register, value)
    for thread in range(count):
        kinds = (GhostKind.TAKEN, GhostKind.PEND, GhostKind.BLOCKED)
        test.locations += [Ghost(kind, thread) for kind in kinds]
    if text:
        test.text = litmus_text(test)
    return test


def _doorbell_handler(test: Litmus, program: Program) -> None:
    body: list[str] = []
    if counts_doorbells(program):
        body.append(f"addi {TAKEN},{TAKEN},1")
    if program.handler_clears:
        body.append(f"msgclrp {CLEAR_MESSAGE}")
        _everywhere(test, CLEAR_MESSAGE, Doorbell(0))
    if program.handler_sends:
        body += _ANSWER
        for thread in range(len(program.threads)):
            message = Doorbell((thread + 1) % program.smt)
            test.registers[Register(thread, ANSWER_MESSAGE)] = message
    if program.handler_nests:
        body += _OPEN
        _everywhere(test, EE_IMAGE, mask("MSR", "EE"))
    test.handlers.append(_handler("doorbell", [*body, "rfid"]))


def _handler(name: str, lines: Iterable[str]) -> Handler:
    return Handler(BY_NAME[name].vector, None, tuple(map(_cell, lines)), 1, 1)


def _cell(text: str) -> Cell:
    return Cell(text, 1, 1)


def _everywhere(test: Litmus, name: str, value: int | Doorbell) -> None:
    for thread in range(len(test.threads)):
        test.registers[Register(thread, name)] = value


def _show(test: Litmus, register: Register, value: int) -> None:
    """Let a register be seen at the end, and give it what it holds before."""
    test.registers[register] = value
    if register not in test.locations:
        test.locations.append(register)


def _write(test: Litmus, thread: int, place: int, op: Op) -> None:
    """Append an operation to its column, with the registers that it needs."""
    register = Register(thread, result_register(place))
    operand = register.name
    value: int | Doorbell | None = None
    match op.name:
        case "send" | "bad_tag":
            lines, value = [f"msgsndp {operand}"], Doorbell(op.number)
        case "send_upper":
            lines, value = [f"msgsndp {operand}"], 0xDEAD_BEEF << 32 | Doorbell(op.number).image
        case "send_payload":
            lines, value = [f"msgsndp {operand}"], 0x07FF_FF80 | Doorbell(op.number).image
        case "bad_type":
            lines, value = [f"msgsndp {operand}"], op.number << 27
        case "clear":
            lines, value = [f"msgclrp {operand}"], Doorbell(op.number)
        case "bad_clear":
            lines, value = [f"msgclrp {operand}"], op.number << 27
        case "dpdes" | "tir":
            lines = [f"mfspr {operand},{op.name.upper()}"]
        case "user_send":
            lines, value = _in_problem_state(f"msgsndp {operand}"), Doorbell(op.number)
        case "user_clear":
            lines, value = _in_problem_state(f"msgclrp {operand}"), Doorbell(0)
        case "user_dpdes" | "user_tir":
            spr = op.name.removeprefix("user_").upper()
            lines = _in_problem_state(f"mfspr {operand},{spr}")
        case "taken":
            lines = [f"mr {operand},{TAKEN}"]
            test.registers[Register(thread, TAKEN)] = 0
        case "spin_taken":
            lines = [f"cmpwi {TAKEN},0", "beq- .-4"]
            test.registers[Register(thread, TAKEN)] = 0
        case "ee" | "prod":
            lines = [f"{op.name} {op.number}"]
        case "store" | "load" | "wait" | "spin" | "reserve" | "conditional":
            lines = _storage(test, thread, operand, op)
            value = STORED if op.name == "store" else None
        case "timer":
            lines, value = [f"mtdec {operand}"], TICKS_TO_GO
        case "ipi":
            lines = [f"hcall H_IPI,{op.number},4"]
        case "accept":
            lines = ["hcall H_CPPR,255"]
        case "word":
            lines = [text_of(op.number)]
        case _:
            lines = [op.name]
    test.threads[thread] += map(_cell, lines)
    row = OPERATIONS.get(op.name)
    if value is not None:
        test.registers[register] = value
    if row is not None and row.reads:
        _show(test, register, initial_result(op.name))


def _storage(test: Litmus, thread: int, operand: str, op: Op) -> list[str]:
    name, address = CELLS[op.number], f"r{FIRST_ADDRESS + op.number}"
    test.registers[Register(thread, address)] = Address(name)
    test.memory[name] = 0
    if op.name in ("store", "conditional") and Location(name) not in test.locations:
        test.locations.append(Location(name))
    load = f"lwz {operand},0({address})"
    match op.name:
        case "store":
            return [f"stw {operand},0({address})"]
        case "load":
            return [load]
        case "wait":
            return [load, f"cmpwi {operand},0", "bne- .+8", load]
        case "spin":
            return [load, f"cmpwi {operand},0", "beq- .-8"]
        case "reserve":
            return [f"lwarx {operand},0,{address}"]
        case _:
            # CR0[EQ] says whether it stored.
            return [
                f"li r31,{STORED_CONDITIONALLY}",
                f"stwcx. r31,0,{address}",
                f"mfcr {operand}",
                f"rlwinm {operand},{operand},3,31,31",
            ]


def _in_problem_state(line: str) -> list[str]:
    """The line with MSR[PR] = 1, and so MSR[EE] = 1, which it stays (mtmsrd, Book III 4.3.3)."""
    return ["mfmsr r31", "ori r31,r31,0x4000", "mtmsrd r31", line]
