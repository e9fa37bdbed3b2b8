"""Commands that show the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.debug import show
from emu.debug.commands.table import CommandError, command
from emu.debug.context import PANES, event_text
from emu.debug.names import REAL
from emu.debug.stops import Accesspoint, Breakpoint, Point, Watchpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.commands.interpreter import Interpreter
    from emu.debug.session import Session


MAX_SHOWN: Final = 1024
FORMATS: Final = ("x", "d", "u", "t", "c", "a", "f")
SHAPES: Final = ("x", "d", "u", "t", "c", "a", "s", "i")  # of memory
SIZES: Final = {"b": 1, "h": 2, "w": 4, "g": 8}
LOOKING: Final = "looking"


@command("print", "[/FORMAT] EXPRESSION",
         "a value; /x /d /u /t (bits) /c /a (symbol) /f (named fields)", "p", "inspect",
         group=LOOKING)  # fmt: skip
def _print(it: Interpreter, text: str) -> None:
    form, text = _format(text)
    if form not in ("", *FORMATS):
        raise CommandError(f"print takes one format of {' '.join(FORMATS)}, got {form[:40]!r}")
    value = it.session.evaluate(text)
    it.session.names.results.append(value)
    it.say(f"${len(it.session.names.results)} = {_formatted(it, form or 'x', value, text)}")


def _format(text: str) -> tuple[str, str]:
    match = re.match(r"/([0-9]*[a-z]*)\s*", text)
    return (match[1], text[match.end() :]) if match else ("", text)


def _formatted(it: Interpreter, form: str, value: int, text: str = "") -> str:
    match form[-1:]:
        case "f":
            return show.decoded(text.strip(), value)
        case "d":
            return str(value - (1 << 64) if value >> 63 else value)
        case "u":
            return str(value)
        case "t":
            return f"{value:b}"
        case "a":
            return it.session.names.symbolic(value)
        case "c":
            return f"{value} {chr(value & 0xFF)!r}"
        case _:
            return f"{value:#x}"


@command("x", "[/COUNT FORMAT SIZE] [ADDRESS]",
         "memory: formats x d u c s(tring) i(nstruction) a, sizes b h w g", group=LOOKING,
         repeats=True)  # fmt: skip
def _examine(it: Interpreter, text: str) -> None:
    form, text = _format(text)
    count = int(re.sub(r"\D", "", form)[:4] or 1)
    letters = re.sub(r"\d", "", form)
    shapes = [letter for letter in letters if letter not in SIZES]
    if len(shapes) > 1 or len(letters) - len(shapes) > 1 or not {*shapes} <= {*SHAPES}:
        raise CommandError(
            f"x takes one format of {' '.join(SHAPES)} and one size of {' '.join(SIZES)}, "
            f"got {letters[:40]!r}"
        )
    size = next((SIZES[letter] for letter in letters if letter in SIZES), 8)
    at = it.where(text) if text else it.examined
    if not 1 <= count <= MAX_SHOWN:
        raise CommandError(f"a count must be 1 to {MAX_SHOWN}, got {count}")
    names = it.session.names
    if "i" in letters:
        it.say(*show.code_lines(it.session, at, count))
        it.examined = at + 4 * count
        return
    if "s" in letters:
        data = it.session.read(at, min(256, it.session.host.machine.memory_size(0) - at))
        string = data.partition(b"\0")[0]
        it.say(f"{names.symbolic(at)}: {string.decode('utf-8', 'backslashreplace')!r}")
        it.examined = at + len(string) + 1
        return
    shape = shapes[0] if shapes else "x"
    per_line = max(1, 16 // size)
    for first in range(0, count, per_line):
        here = at + first * size
        cells = []
        for i in range(first, min(first + per_line, count)):
            value = names.memory(at + i * size, size)
            cells.append(f"{value:0{2 * size}x}" if shape == "x" else _formatted(it, shape, value))
        it.say(f"{names.symbolic(here)}: {'  '.join(cells)}")
    it.examined = at + count * size


@command("disassemble", "[ADDRESS] [,COUNT]", "instructions, with who stands where", "dis",
         group=LOOKING)  # fmt: skip
def _disassemble(it: Interpreter, text: str) -> None:
    place, _, count = text.partition(",")
    lines = min(it.number(count.strip(), 8), MAX_SHOWN)
    it.say(*show.code_lines(it.session, it.where(place.strip()), lines, it.session.vcpu))


@command("list", "[LINE|FILE:LINE|*ADDRESS]", "source lines around a place", "l", group=LOOKING)
def _list(it: Interpreter, text: str) -> None:
    program = it.session.program
    at = it.session.nia() if text.isdecimal() else it.where(text)
    row = program.line_at(at & REAL) if program else None
    if row is None:
        raise CommandError("no source line is known for this place")
    line = int(text[:9]) if text.isdecimal() else row.line
    try:
        source = it.session.source(row.file)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {row.file}: {error}") from None
    if line > len(source):
        raise CommandError(f"{row.file} has {len(source)} lines, got {line}")
    for number in range(max(line - 5, 1), min(line + 5, len(source)) + 1):
        it.say(f"{'=>' if number == row.line else '  '} {number:5}  {source[number - 1]}")


@command("pa", "NAME", "one register or field of every vcpu", group=LOOKING)
def _pa(it: Interpreter, text: str) -> None:
    before = it.session.names.vcpu
    try:
        for vcpu in it.session.host.vcpus:
            it.session.names.vcpu = vcpu.index
            it.say(f"{vcpu.name} {it.session.evaluate(text):#x}")
    finally:
        it.session.names.vcpu = before


@command("ipca", "", "where every vcpu is, and its next instruction", group=LOOKING)
def _ipca(it: Interpreter, _: str) -> None:
    for vcpu in it.session.host.vcpus:
        where = it.session.names.symbolic(it.session.nia(vcpu))
        it.say(f"{vcpu.name} {where} {' '.join(it.session.disassembled(vcpu).split())}")


def _symbols(session: Session) -> list[str]:
    rows = session.program.symbols.values() if session.program else ()
    return [f"{row.address:#x} {row.name}" for row in sorted(rows, key=lambda row: row.address)]


TOPICS: Final[dict[str, Callable[[Session], list[str]]]] = {
    "threads": lambda session: [show.thread_line(session, vcpu) for vcpu in session.host.vcpus],
    "registers": lambda session: show.register_lines(session, session.vcpu),
    "sprs": lambda session: show.spr_lines(session, session.vcpu),
    "hv": show.hypervisor_lines,
    "doorbells": show.doorbell_lines,
    "breakpoints": lambda session: [_point_line(point) for point in session.points] or ["none"],
    "watchpoints": lambda session: (
        [_point_line(p) for p in session.points if isinstance(p, Watchpoint | Accesspoint)]
        or ["none"]
    ),
    "exits": show.count_lines,
    "events": lambda session: (
        [event_text(event) for event in session.timeline.recent] or ["nothing has happened yet"]
    ),
    "history": show.history_lines,
    "bookmarks": show.bookmark_lines,
    "line": lambda session: [show.source_line(session, session.vcpu) or "no source line is known"],
    "next": lambda session: [session.next_step()],
    "symbols": _symbols,
}


@command("info", "threads|registers [NAME...]|hv|doorbells|breakpoints|exits|events|...",
         "more about the machine; `info` alone lists the topics", "i", group=LOOKING,
         words=tuple(TOPICS))  # fmt: skip
def _info(it: Interpreter, text: str) -> None:
    if not text:
        it.say("info knows " + ", ".join(TOPICS))
        return
    topic, _, names = text.partition(" ")
    fits = [name for name in TOPICS if name.startswith(topic)]
    if not fits:
        raise CommandError(f"info knows {', '.join(TOPICS)}, got {text!r}")
    if names and fits[0] == "registers":
        it.say(*(f"{name:8} {it.session.evaluate(name):#x}" for name in names.split()))
        return
    if names:
        raise CommandError(f"info {fits[0]} takes nothing more, got {names!r}")
    it.say(*TOPICS[fits[0]](it.session))


def _point_line(point: Point) -> str:
    kind = type(point).__name__.lower()
    parts = [f"{point.number} {kind} {point.text}"]
    if isinstance(point, Breakpoint) and point.temporary:
        parts.append("once")
    if point.vcpu is not None:
        parts.append(f"thread v{point.vcpu}")
    if point.condition_text:
        parts.append(f"if {point.condition_text}")
    if not point.enabled:
        parts.append("disabled")
    return f"{', '.join(parts)}; hit {point.hits} times"


@command("context", f"[on|off | {'|'.join(PANES)} on|off]",
         "what every stop shows; now, or switch it or one pane of it on or off",
         group=LOOKING, words=("on", "off", *PANES))  # fmt: skip
def _context(it: Interpreter, text: str) -> None:
    context = it.context
    pane, _, switch = text.rpartition(" ")
    if not text:
        it.say(*context.lines())
    elif switch not in ("on", "off") or (pane and pane not in PANES):
        raise CommandError(f"context takes on, off, or one of {', '.join(PANES)} and on or off, "
                           f"got {text[:40]!r}")  # fmt: skip
    elif not pane:
        context.on = switch == "on"
    elif switch == "on":
        context.off.discard(pane)
    else:
        context.off.add(pane)


@command("explain", "rb EXPRESSION | REGISTER", "decode an operand of msgsndp, or a register",
         group=LOOKING)  # fmt: skip
def _explain(it: Interpreter, text: str) -> None:
    match = re.fullmatch(r"rb\s+(.+)", text)
    if match is not None:
        it.say(show.explained_doorbell(it.session.evaluate(match[1])))
    else:
        it.say(show.decoded(text, it.session.evaluate(text)))


@command("stack", "", "where this vcpu's task stands in the hypervisor's code", "bt", "where",
         group=LOOKING)  # fmt: skip
def _stack(it: Interpreter, _: str) -> None:
    session = it.session
    it.say(f"guest at {session.names.symbolic(session.nia())}")
    for place in session.host.where(session.actor_of(session.vcpu)):
        live = ", ".join(f"{name}={value}" for name, value in place.live.items())
        it.say(f"  {Path(place.file).name}:{place.line} {place.function}({live})")
