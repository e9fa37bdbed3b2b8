"""Commands that say where to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.debug.commands.table import CommandError, command
from emu.debug.stops import Catchpoint, Point
from emu.hv.event import Event
from emu.hv.ops import Reason
from emu.isa.hcalls import HCALLS
from emu.isa.interrupts import INTERRUPTS
from emu.isa.table import VARIANTS

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


STOPPING: Final = "what stops it"
CATCHES: Final = ("hcall", "interrupt", "exit", "event", "step", *VARIANTS)


def _set_break(it: Interpreter, text: str, *, temporary: bool) -> None:
    scratch = Point(0, "")
    place = it.decorate(scratch, text)
    point = it.session.break_at(it.where(place), temporary=temporary)
    point.condition, point.condition_text = scratch.condition, scratch.condition_text
    point.vcpu = scratch.vcpu
    it.say(f"breakpoint {point.number} at {point.text}")


@command("break", "[WHERE] [thread vN] [if CONDITION]", "stop in front of an instruction", "b",
         "br", "hbreak", group=STOPPING)  # fmt: skip
def _break(it: Interpreter, text: str) -> None:
    _set_break(it, text, temporary=False)


@command("tbreak", "[WHERE] [thread vN] [if CONDITION]", "a breakpoint that stops once", "tb",
         group=STOPPING)  # fmt: skip
def _tbreak(it: Interpreter, text: str) -> None:
    _set_break(it, text, temporary=True)


@command("watch", "EXPRESSION [thread vN] [if CONDITION]",
         "stop after a step that changes a value: memory, registers, SPRs, hypervisor fields",
         group=STOPPING)  # fmt: skip
def _watch(it: Interpreter, text: str) -> None:
    scratch = Point(0, "")
    expression = it.decorate(scratch, text)
    point = it.session.watch(expression)
    point.condition, point.condition_text = scratch.condition, scratch.condition_text
    point.vcpu = scratch.vcpu
    it.say(f"watchpoint {point.number}: {point.text}")


def _set_access(it: Interpreter, text: str, *, stores: bool) -> None:
    place, _, size = text.partition(",")
    point = it.session.watch_access(
        it.where(place), it.number(size.strip(), 8), loads=True, stores=stores
    )
    it.say(f"watchpoint {point.number}: {point.text}")


@command("rwatch", "ADDRESS [,BYTES]", "stop in front of instructions that read memory",
         group=STOPPING)  # fmt: skip
def _rwatch(it: Interpreter, text: str) -> None:
    _set_access(it, text, stores=False)


@command("awatch", "ADDRESS [,BYTES]", "stop in front of instructions that read or write memory",
         group=STOPPING)  # fmt: skip
def _awatch(it: Interpreter, text: str) -> None:
    _set_access(it, text, stores=True)


@command("catch", "MNEMONIC|hcall [NAME]|interrupt [VECTOR]|exit [REASON]|event NAME|step [TEXT]",
         "stop for what happens; step TEXT: before an operation of the hypervisor with this in it",
         group=STOPPING, words=CATCHES)  # fmt: skip
def _catch(it: Interpreter, text: str) -> None:
    point = Catchpoint(0, text)
    text = it.decorate(point, text)
    kind, _, rest = text.partition(" ")
    rest = rest.strip()
    point.text = text
    if kind in ("interrupt", "exc", "vector"):
        point.kind, point.numbers = "interrupt", vectors(it, rest)
    elif kind == "hcall":
        point.kind = "hcall"
        point.numbers = (_hcall(it, rest),) if rest else ()
    elif kind == "exit":
        names = [reason for reason in Reason if reason.name.startswith(rest.upper())]
        if not names:
            raise CommandError(f"an exit is one of {_names(Reason)}, got {rest!r}")
        point.kind, point.numbers = "exit", tuple(names)
    elif kind == "event":
        found = [event.number for event in Event if event.name.startswith(rest.upper())]
        if not found or not rest:
            raise CommandError(f"an event is one of {_names(Event)}, got {rest!r}")
        point.kind, point.numbers = "event", tuple(found)
    elif kind in ("step", "hstep"):
        point.kind, point.operation = "step", rest
    elif kind in VARIANTS:
        variant = VARIANTS[kind]
        bits = variant.opcode_mask
        point.kind, point.words = "instruction", ((bits, variant.match & bits),)
    elif it.session.names.find(kind) is not None:
        raise CommandError(f"`watch {kind}` stops when a value changes")
    else:
        raise CommandError(
            f"catch takes a mnemonic, hcall, interrupt, exit, event or step, got {text[:40]!r}"
        )
    it.session.catch(point)
    it.say(f"catchpoint {point.number}: {text}")


def _names(kind: type[Reason | Event]) -> str:
    return ", ".join(row.name.lower() for row in kind)


def vectors(it: Interpreter, text: str) -> tuple[int, ...]:
    """Read an interrupt by its name or vector; none: all of them. Raises CommandError."""
    if not text:
        return tuple(row.vector for row in INTERRUPTS)
    for row in INTERRUPTS:
        if row.name == text.lower():
            return (row.vector,)
    vector = it.session.evaluate(text)
    if vector not in {row.vector for row in INTERRUPTS}:
        raise CommandError(f"no interrupt has the vector {vector:#x}")
    return (vector,)


def _hcall(it: Interpreter, text: str) -> int:
    for row in HCALLS:
        if row.name == text.upper():
            return row.number
    return it.session.evaluate(text)


@command("delete", "[NUMBER]...", "remove breakpoints; all without a number", "d", group=STOPPING)
def _delete(it: Interpreter, text: str) -> None:
    for number in [it.point(word).number for word in text.split()] or [
        point.number for point in it.session.points
    ]:
        it.session.delete(number)


@command("enable", "NUMBER...", "let breakpoints stop again", group=STOPPING)
def _enable(it: Interpreter, text: str) -> None:
    for word in text.split():
        it.point(word).enabled = True


@command("disable", "NUMBER...", "keep breakpoints, but do not stop", group=STOPPING)
def _disable(it: Interpreter, text: str) -> None:
    for word in text.split():
        it.point(word).enabled = False


@command("ignore", "NUMBER COUNT", "pass a breakpoint so often before it stops", group=STOPPING)
def _ignore(it: Interpreter, text: str) -> None:
    number, _, count = text.partition(" ")
    it.point(number).ignore = it.number(count.strip())


@command("condition", "NUMBER [EXPRESSION]", "stop only if this is not 0", group=STOPPING)
def _condition(it: Interpreter, text: str) -> None:
    number, _, expression = text.partition(" ")
    point = it.point(number)
    if expression:
        it.condition(point, expression)
    else:
        point.condition, point.condition_text = None, ""


@command("commands", "[NUMBER]", "lines up to `end`, run at each stop there", group=STOPPING)
def _commands(it: Interpreter, text: str) -> None:
    if not it.session.points:
        raise CommandError("there is no breakpoint yet")
    point = it.point(text) if text else it.session.points[-1]
    point.commands = it.block()
