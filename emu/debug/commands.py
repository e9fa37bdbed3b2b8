"""The debugger's commands: one table, for the REPL, for gdb's `monitor`, and for the manual."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.asm.source import read_bytes
from emu.debug import show
from emu.debug.choices import Choices
from emu.debug.expression import ExpressionError, parse
from emu.debug.history import Edit, Patch
from emu.debug.names import ALIASES, WORD
from emu.debug.registers import set_register
from emu.debug.stops import Breakpoint, Catchpoint, Point, Stop, Watchpoint
from emu.errors import EmuError
from emu.explore.schedule import parse_short, short_text
from emu.hv.event import Event
from emu.hv.ops import Reason
from emu.isa.hcalls import HCALLS
from emu.isa.interrupts import INTERRUPTS
from emu.isa.table import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session
    from emu.hv.kvm import Vcpu

MAX_COUNT: Final = 1_000_000_000
MAX_NESTING: Final = 8
MAX_SHOWN: Final = 1024
FORMAT: Final = 1


class CommandError(EmuError):
    """A command that cannot be done as it stands."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. repeats: an empty line does it again. moves: the machine may be elsewhere."""

    name: str
    short: tuple[str, ...]
    arguments: str
    summary: str
    run: Callable[[Interpreter, str], None]
    group: str
    repeats: bool = False


COMMANDS: Final[list[Command]] = []


def command(
    name: str, arguments: str, summary: str, *short: str, group: str, repeats: bool = False
) -> Callable[[Callable[[Interpreter, str], None]], Callable[[Interpreter, str], None]]:
    """Put a method into the table."""

    def enter(run: Callable[[Interpreter, str], None]) -> Callable[[Interpreter, str], None]:
        COMMANDS.append(Command(name, short, arguments, summary, run, group, repeats))
        return run

    return enter


def find(word: str) -> Command:
    """Find a command by its name, abbreviation, or a beginning that only it has.

    Raises CommandError.
    """
    for row in COMMANDS:
        if word == row.name or word in row.short:
            return row
    fits = [row for row in COMMANDS if row.name.startswith(word)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(row.name for row in fits)
        raise CommandError(f"{word!r} may be {names}")
    near = difflib.get_close_matches(word, [row.name for row in COMMANDS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; `help` lists the commands"
    raise CommandError(f"no command is called {word[:40]!r}{hint}")


class Interpreter:
    """Runs command lines on a session. out: takes what they print, line by line."""

    def __init__(self, session: Session, out: Callable[[str], None]) -> None:
        self.session = session
        self.out = out
        self.context = True
        self.quit = False
        self.more: Callable[[], str | None] = _nothing
        self._last = ""
        self._before: dict[int, dict[str, int]] = {}
        self._look()
        self._examined = 0
        self._nesting = 0
        self._shown = [len(vm.console) for vm in session.host.vms]

    # -- lines

    def execute(self, line: str) -> None:
        """Do one line; an empty one repeats what can be repeated. Raises EmuError."""
        line = line.strip()
        if line.startswith("#"):
            return
        if not line:
            line = self._last
        if not line:
            return
        match = re.match(r"[A-Za-z_!?-]+", line)
        word = match[0] if match else line.split()[0]
        row = find(word)
        rest = line[len(word) :].strip()
        self._last = line if row.repeats else ""
        if row.name == "x" and row.repeats:
            self._last = "x"
        self._nesting += 1
        try:
            if self._nesting > MAX_NESTING:
                raise CommandError(f"commands must not be nested deeper than {MAX_NESTING}")
            row.run(self, rest)
        finally:
            self._nesting -= 1

    def say(self, *lines: str) -> None:
        """Print lines."""
        for line in lines:
            self.out(line)

    def prompt(self) -> str:
        """Say where the machine is, for the prompt."""
        return f"(emu {self.session.vcpu.name} @{self.session.position}) "

    def arrive(self, stop: Stop) -> None:
        """Show where the machine has come to rest, and run the commands of what stopped it."""
        self._console()
        if stop.text:
            self.say(stop.text)
        if self.context:
            before = self._before.get(self.session.vcpu.index, {})
            self.say(*show.context_lines(self.session, before))
        self._look()
        for point in stop.points:
            for line in point.commands:
                self.execute(line)

    def _look(self) -> None:
        """Remember the registers of all vcpus, to tell later what has changed."""
        for vcpu in self.session.host.vcpus:
            self._before[vcpu.index] = show.registers(self.session, vcpu)

    def _console(self) -> None:
        for i, vm in enumerate(self.session.host.vms):
            text = vm.console
            if len(text) > self._shown[i]:
                for line in text[self._shown[i] :].decode("utf-8", "replace").splitlines():
                    self.say(f"| {line}")
                self._shown[i] = len(text)

    # -- arguments

    def number(self, text: str, default: int = 1) -> int:
        """A count: an expression, or the default if there is none."""
        value = self.session.evaluate(text) if text else default
        if value > MAX_COUNT:
            raise CommandError(f"a count must be at most {MAX_COUNT}, got {value}")
        return value

    def where(self, text: str) -> int:
        """An address: an expression, `*EXPRESSION` or FILE:LINE; none: here."""
        if not text:
            return self.session.nia()
        return self.session.evaluate(text.removeprefix("*"))

    def vcpu(self, text: str) -> Vcpu:
        """A vcpu: `1`, `v1`; none: the current one."""
        match = re.fullmatch(r"(?:v|t|vcpu)?([0-9]{1,4})", text.strip())
        if not text:
            return self.session.vcpu
        if match is None or int(match[1]) >= len(self.session.host.vcpus):
            last = len(self.session.host.vcpus) - 1
            raise CommandError(f"a vcpu must be v0 to v{last}, got {text!r}")
        return self.session.host.vcpus[int(match[1])]

    def actor(self, text: str) -> int:
        """An actor: a vcpu (its guest and task), or a hardware thread of the host."""
        host = self.session.host
        for i in range(len(host.actors)):
            if host.actor_name(i) == text and not text.startswith("v"):
                return i
        return self.session.actor_of(self.vcpu(text))

    def point(self, text: str) -> Point:
        """A breakpoint by its number."""
        if not text.isdecimal() or len(text) > 9:
            raise CommandError(f"a breakpoint has a number, got {text!r}")
        return self.session.point(int(text))

    def decorate(self, point: Point, text: str) -> str:
        """Take `thread N` and `if CONDITION` from the end of a point's arguments."""
        text, _, condition = _cut(text, "if")
        if condition:
            point.condition = parse(condition)
            point.condition_text = condition
        text, _, thread = _cut(text, "thread")
        if thread:
            point.vcpu = self.vcpu(thread).index
        return text.strip()


def _cut(text: str, word: str) -> tuple[str, str, str]:
    match = re.search(rf"(?:^|\s){word}\s+(.+)$", text)
    return (text[: match.start()], word, match[1].strip()) if match else (text, "", "")


def _nothing() -> str | None:
    return None


# ---- going ---------------------------------------------------------------------------------

GOING: Final = "going"


@command("continue", "[N]", "go on until something stops it; N: pass the breakpoint so often", "c",
         "cont", group=GOING, repeats=True)  # fmt: skip
def _continue(it: Interpreter, text: str) -> None:
    stop = it.session.cont()
    for _ in range(it.number(text) - 1):
        if stop.kind in ("end", "interrupted", "waits"):
            break
        stop = it.session.cont()
    it.arrive(stop)


def _mover(
    name: str, short: tuple[str, ...], summary: str, move: Callable[[Session, int], Stop]
) -> None:
    def run(it: Interpreter, text: str) -> None:
        it.arrive(move(it.session, it.number(text)))

    command(name, "[N]", summary, *short, group=GOING, repeats=True)(run)


def _lines(count: int, go: Callable[[], Stop]) -> Stop:
    stop = go()
    for _ in range(count - 1):
        if stop.kind != "step":
            break
        stop = go()
    return stop


_mover("stepi", ("si",), "one instruction of this vcpu, with what the hypervisor does for it",
       lambda s, n: s.stepi(n))  # fmt: skip
_mover("nexti", ("ni",), "like stepi, but over calls", lambda s, n: s.nexti(n))
_mover("step", ("s",), "to another source line",
       lambda s, n: _lines(n, lambda: s.step_line(over=False)))  # fmt: skip
_mover("next", ("n",), "to another source line, over calls",
       lambda s, n: _lines(n, lambda: s.step_line(over=True)))  # fmt: skip
_mover("hstep", ("hs",), "one step of this vcpu's guest or host code: one racy access",
       lambda s, n: s.hstep(n))  # fmt: skip
_mover("tick", (), "one step of the machine, whoever's turn it is", lambda s, n: s.steps(n))
_mover("reverse-stepi", ("rsi",), "undo stepi", lambda s, n: s.reverse_stepi(n))
_mover("reverse-nexti", ("rni",), "undo nexti: back over calls", lambda s, n: s.reverse_nexti(n))
_mover("reverse-step", ("rs",), "back to another source line",
       lambda s, n: _lines(n, lambda: s.reverse_step_line(over=False)))  # fmt: skip
_mover("reverse-next", ("rn",), "back to another source line, over calls",
       lambda s, n: _lines(n, lambda: s.reverse_step_line(over=True)))  # fmt: skip
_mover("reverse-hstep", ("rhs",), "undo hstep", lambda s, n: s.reverse_hstep(n))
_mover("reverse-tick", (), "undo tick", lambda s, n: s.reverse_steps(n))


@command("reverse-continue", "", "back to where something would have stopped", "rc", group=GOING,
         repeats=True)  # fmt: skip
def _reverse_continue(it: Interpreter, _: str) -> None:
    it.arrive(it.session.reverse_cont())


@command("round", "[N]", "one instruction of every vcpu that is in its guest", group=GOING,
         repeats=True)  # fmt: skip
def _round(it: Interpreter, text: str) -> None:
    session = it.session
    stop = Stop("step")
    for _ in range(it.number(text)):
        for vcpu in session.host.vcpus:
            if stop.kind == "step" and session.in_guest(vcpu):
                stop = session.run_alone(session.actor_of(vcpu), 1)
    it.arrive(stop)


@command("until", "WHERE", "go on until this vcpu is there", "u", "advance", group=GOING)
def _until(it: Interpreter, text: str) -> None:
    it.arrive(it.session.until(it.where(text)))


@command("finish", "", "go on until this function has returned", "fin", group=GOING)
def _finish(it: Interpreter, _: str) -> None:
    it.arrive(it.session.finish())


@command("reverse-finish", "", "back to the call of this function", group=GOING)
def _reverse_finish(it: Interpreter, _: str) -> None:
    it.arrive(it.session.reverse_finish())


# ---- who moves -----------------------------------------------------------------------------

WHO: Final = "who moves"


@command("schedule", "[vN|cpuN]", "whose turn it is; give the turn to another", group=WHO)
def _schedule(it: Interpreter, text: str) -> None:
    session = it.session
    host = session.host
    if text:
        session.give_turn(it.actor(text))
    turn = host.engine.turn(host.machine)
    able = [host.actor_name(i) for i in range(len(host.actors))
            if session.timeline.can_go(i)]  # fmt: skip
    chosen = (
        "the scheduler chooses next" if turn is None else f"the turn of {host.actor_name(turn)}"
    )
    it.say(f"{chosen}; able to go on: {', '.join(able) or 'nobody'}")


@command("switch", "vN", "give the turn to a vcpu, and make it the current one", group=WHO)
def _switch(it: Interpreter, text: str) -> None:
    vcpu = it.vcpu(text)
    it.session.give_turn(it.session.actor_of(vcpu))
    it.session.select(vcpu.index)
    it.arrive(Stop("step"))


@command("run", "vN [COUNT]", "let one vcpu do steps of guest and host code, all others none",
         group=WHO)  # fmt: skip
def _run(it: Interpreter, text: str) -> None:
    who, _, count = text.partition(" ")
    vcpu = it.vcpu(who)
    it.session.select(vcpu.index)
    it.arrive(it.session.run_alone(it.session.actor_of(vcpu), it.number(count.strip())))


@command("choose", "[CHOICE]", "of a case: what can happen next; make it happen (0, 1l, 2d)",
         group=WHO)  # fmt: skip
def _choose(it: Interpreter, text: str) -> None:
    history = _choices(it)
    if text:
        wanted = parse_short(text)
        if len(wanted) != 1:
            raise CommandError(f"choose takes one step of a schedule, got {text[:40]!r}")
        history.choose(wanted[0])
        it.say(f"next: {it.session.next_step()}")
        return
    for choice in history.possible():
        mark = "=>" if choice == history.next() else "  "
        it.say(f"{mark} {short_text([choice]):4} {history.said(choice)}")


def _choices(it: Interpreter) -> Choices:
    history = it.session.timeline
    if not isinstance(history, Choices):
        raise CommandError("this run has a scheduler: `switch` and `run` say who goes on")
    return history


@command("lock", "on|off", "whether the other vcpus stand still while one steps", group=WHO)
def _lock(it: Interpreter, text: str) -> None:
    if text not in ("on", "off", ""):
        raise CommandError(f"lock is on or off, got {text!r}")
    if text:
        it.session.locked = text == "on"
    it.say(f"lock is {'on' if it.session.locked else 'off'}")


@command("thread", "[vN | apply all COMMAND]", "make another vcpu the current one", "t", "vcpu",
         group=WHO)  # fmt: skip
def _thread(it: Interpreter, text: str) -> None:
    match = re.fullmatch(r"apply\s+all\s+(.+)", text)
    if match is None:
        it.session.select(it.vcpu(text).index)
        it.say(show.thread_line(it.session, it.session.vcpu))
        return
    before = it.session.names.vcpu
    for vcpu in it.session.host.vcpus:
        it.session.select(vcpu.index)
        it.say(f"{vcpu.name}:")
        it.execute(match[1])
    it.session.select(before)


# ---- what stops ----------------------------------------------------------------------------

STOPPING: Final = "what stops it"


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


@command("catch", "MNEMONIC|hcall [NAME]|interrupt [VECTOR]|exit [REASON]|event NAME|step",
         "stop for something that happens", group=STOPPING)  # fmt: skip
def _catch(it: Interpreter, text: str) -> None:
    point = Catchpoint(0, text)
    text = it.decorate(point, text)
    kind, _, rest = text.partition(" ")
    rest = rest.strip()
    point.text = text
    if kind in ("interrupt", "exc", "vector"):
        point.kind, point.numbers = "interrupt", _vectors(it, rest)
    elif kind == "hcall":
        point.kind = "hcall"
        point.numbers = (_hcall(it, rest),) if rest else ()
    elif kind == "exit":
        names = [reason for reason in Reason if not rest or reason.name == rest.upper()]
        if not names:
            raise CommandError(f"an exit is one of {_names(Reason)}, got {rest!r}")
        point.kind, point.numbers = "exit", tuple(names)
    elif kind == "event":
        found = [event.number for event in Event if event.name == rest.upper()]
        if not found:
            raise CommandError(f"an event is one of {_names(Event)}, got {rest!r}")
        point.kind, point.numbers = "event", tuple(found)
    elif kind in ("step", "hstep"):
        point.kind = "step"
    elif kind in VARIANTS:
        variant = VARIANTS[kind]
        bits = variant.opcode_mask
        point.kind, point.words = "instruction", ((bits, variant.match & bits),)
    else:
        raise CommandError(
            f"catch takes a mnemonic, hcall, interrupt, exit, event or step, got {text[:40]!r}"
        )
    it.session.catch(point)
    it.say(f"catchpoint {point.number}: {text}")


def _names(kind: type[Reason | Event]) -> str:
    return ", ".join(row.name.lower() for row in kind)


def _vectors(it: Interpreter, text: str) -> tuple[int, ...]:
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
    point.condition = parse(expression) if expression else None
    point.condition_text = expression


@command("commands", "[NUMBER]", "lines up to `end`, run at each stop there", group=STOPPING)
def _commands(it: Interpreter, text: str) -> None:
    if not it.session.points:
        raise CommandError("there is no breakpoint yet")
    point = it.point(text) if text else it.session.points[-1]
    point.commands = _block(it)


def _block(it: Interpreter) -> list[str]:
    lines = []
    while (line := it.more()) is not None and line.strip() != "end":
        lines.append(line)
    return lines


# ---- time ----------------------------------------------------------------------------------

TIME: Final = "time travel"


@command("when", "", "where in the run this is", group=TIME)
def _when(it: Interpreter, _: str) -> None:
    it.say(*show.history_lines(it.session))


@command("goto", "POSITION | BOOKMARK[-N|+N] | end", "be at another place of the run", group=TIME)
def _goto(it: Interpreter, text: str) -> None:
    session = it.session
    if text == "end":
        it.arrive(session.goto(session.timeline.frontier))
        return
    match = re.fullmatch(r"([A-Za-z_]\w*)\s*([-+]\s*[0-9]+)?", text)
    if match is not None and match[1] in session.bookmarks:
        offset = int((match[2] or "0").replace(" ", ""))
        it.arrive(session.goto(session.bookmarks[match[1]] + offset))
        return
    it.arrive(session.goto(session.evaluate(text.removeprefix("@"))))


@command("bookmark", "[NAME]", "give this place a name; list the names", group=TIME)
def _bookmark(it: Interpreter, text: str) -> None:
    session = it.session
    if text:
        if not re.fullmatch(r"[A-Za-z_]\w{0,40}", text):
            raise CommandError(f"a bookmark is a name, got {text!r}")
        session.bookmarks[text] = session.position
        session.timeline.remember()
        return
    it.say(*(f"{name} @{at}" for name, at in session.bookmarks.items()))
    it.say("stops: " + " ".join(f"@{at}" for at in session.visited[-10:]))


@command("back", "", "to the stop before this one", group=TIME, repeats=True)
def _back(it: Interpreter, _: str) -> None:
    session = it.session
    if len(session.visited) < 2:
        raise CommandError("there is no stop before this one")
    session.visited.pop()
    it.arrive(session.goto(session.visited[-1]))


@command("last", "[write] EXPRESSION|ADDRESS", "who changed a value last, and when", group=TIME)
def _last(it: Interpreter, text: str) -> None:
    match = re.fullmatch(r"(?:w|write)\s+(.+)", text)
    found = it.session.last_change(f"u64({match[1]})" if match else text)
    if found is None:
        it.say(f"{text} has not changed since the beginning")
    else:
        it.say(f"@{found[0]}: {found[1]}")


# ---- looking -------------------------------------------------------------------------------

LOOKING: Final = "looking"


@command("print", "[/FORMAT] EXPRESSION",
         "a value; /x /d /u /t (bits) /c /a (symbol) /f (named fields)", "p", "inspect",
         group=LOOKING)  # fmt: skip
def _print(it: Interpreter, text: str) -> None:
    form, text = _format(text)
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
    size = next((n for letter, n in (("b", 1), ("h", 2), ("w", 4), ("g", 8))
                 if letter in letters), 8)  # fmt: skip
    at = it.where(text) if text else it._examined  # noqa: SLF001 - its own state
    if not 1 <= count <= MAX_SHOWN:
        raise CommandError(f"a count must be 1 to {MAX_SHOWN}, got {count}")
    names = it.session.names
    if "i" in letters:
        it.say(*show.code_lines(it.session, at, count))
        it._examined = at + 4 * count  # noqa: SLF001
        return
    if "s" in letters:
        data = it.session.read(at, min(256, it.session.host.machine.memory_size(0) - at))
        string = data.partition(b"\0")[0]
        it.say(f"{names.symbolic(at)}: {string.decode('utf-8', 'backslashreplace')!r}")
        it._examined = at + len(string) + 1  # noqa: SLF001
        return
    shape = (letters.translate({ord(c): None for c in "bhwg"}) or "x")[-1]
    per_line = max(1, 16 // size)
    for first in range(0, count, per_line):
        here = at + first * size
        cells = []
        for i in range(first, min(first + per_line, count)):
            value = names.memory(at + i * size, size)
            cells.append(f"{value:0{2 * size}x}" if shape == "x" else _formatted(it, shape, value))
        it.say(f"{names.symbolic(here)}: {'  '.join(cells)}")
    it._examined = at + count * size  # noqa: SLF001


@command("disassemble", "[ADDRESS] [,COUNT]", "instructions, with who stands where", "dis",
         group=LOOKING)  # fmt: skip
def _disassemble(it: Interpreter, text: str) -> None:
    place, _, count = text.partition(",")
    lines = min(it.number(count.strip(), 8), MAX_SHOWN)
    it.say(*show.code_lines(it.session, it.where(place.strip()), lines, it.session.vcpu))


@command("list", "[FILE:LINE|ADDRESS]", "source lines around a place", "l", group=LOOKING)
def _list(it: Interpreter, text: str) -> None:
    program = it.session.program
    row = program.line_at(it.where(text)) if program else None
    if row is None:
        raise CommandError("no source line is known for this place")
    try:
        source = read_bytes(Path(row.file)).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {row.file}: {error}") from None
    for number in range(max(row.line - 5, 1), min(row.line + 5, len(source)) + 1):
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


@command("info", "threads|registers|hv|doorbells|breakpoints|exits|history|line|next|symbols",
         "more about the machine", "i", group=LOOKING)  # fmt: skip
def _info(it: Interpreter, text: str) -> None:
    session = it.session
    topics: dict[str, Callable[[], list[str]]] = {
        "threads": lambda: [show.thread_line(session, vcpu) for vcpu in session.host.vcpus],
        "registers": lambda: show.register_lines(session, session.vcpu),
        "hv": lambda: show.hypervisor_lines(session),
        "doorbells": lambda: show.doorbell_lines(session),
        "breakpoints": lambda: [_point_line(point) for point in session.points] or ["none"],
        "watchpoints": lambda: (
            [_point_line(p) for p in session.points if isinstance(p, Watchpoint)] or ["none"]
        ),
        "exits": lambda: show.count_lines(session),
        "history": lambda: show.history_lines(session),
        "line": lambda: [show.source_line(session, session.vcpu) or "no source line is known"],
        "next": lambda: [session.next_step()],
        "symbols": lambda: _symbols(session),
    }
    fits = [name for name in topics if name.startswith(text)] if text else []
    if not fits:
        raise CommandError(f"info knows {', '.join(topics)}, got {text!r}")
    it.say(*topics[fits[0]]())


def _symbols(session: Session) -> list[str]:
    rows = session.program.symbols.values() if session.program else ()
    return [f"{row.address:#x} {row.name}" for row in sorted(rows, key=lambda row: row.address)]


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


@command("context", "[on|off]", "what every stop shows; now, or switch it on or off", group=LOOKING)
def _context(it: Interpreter, text: str) -> None:
    if text in ("on", "off"):
        it.context = text == "on"
    elif text:
        raise CommandError(f"context is on or off, got {text!r}")
    else:
        it.say(*show.context_lines(it.session, show.registers(it.session, it.session.vcpu)))


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


# ---- changing ------------------------------------------------------------------------------

CHANGING: Final = "changing"


@command("set", "REGISTER = VALUE | {8} ADDRESS = VALUE", "change a register, field or memory",
         group=CHANGING)  # fmt: skip
def _set(it: Interpreter, text: str) -> None:
    target, equals, value = text.removeprefix("var ").partition("=")
    target = target.strip()
    if not equals or not target:
        raise CommandError(f"set takes NAME = VALUE, got {text!r}")
    number = it.session.evaluate(value)
    match = re.fullmatch(r"(?:\{([1248])\}|\*|u(8|16|32|64))\s*(.+)", target)
    if match is None:
        name = ALIASES.get(target.lstrip("$"), target)
        set_register(it.session, it.session.vcpu, name, number)
        return
    nbytes = int(match[1] or 0) or int(match[2] or 64) // 8
    it.session.store(it.session.evaluate(match[3]), number, nbytes)


@command("doorbell", "[vN]", "make a privileged doorbell pending for a vcpu", group=CHANGING)
def _doorbell(it: Interpreter, text: str) -> None:
    vcpu, session = it.vcpu(text), it.session
    places = session.names.pending_doorbells(vcpu)
    ref, bits = next(iter(v for k, v in places.items() if k == vcpu.vcpu_id % len(places)))[-1]
    words = {ref: session.host.words[ref] | (1 if bits == WORD else bits)}
    words |= _kick(session, vcpu)
    session.change(f"doorbell {vcpu.name}", words)


def _kick(session: Session, vcpu: Vcpu) -> dict[int, int]:
    """Wake a vcpu's task, or pull its guest out, as the hypervisor's own kick does."""
    words = {vcpu.vcore.awake: 1}
    for cpu in session.host.cpus:
        if session.host.words[cpu.thread.vcpu] == 1 + vcpu.index and session.in_guest(vcpu):
            words[cpu.thread.hdoorbell] = 1
    return words


@command("preempt", "[vN]", "make the host want the cpu that a vcpu runs on", group=CHANGING)
def _preempt(it: Interpreter, text: str) -> None:
    vcpu = it.vcpu(text)
    words = {vcpu.request_exit: 1} | _kick(it.session, vcpu)
    it.session.change(f"preempt {vcpu.name}", words)


@command("exc", "[vN] VECTOR", "make a vcpu's guest take an interrupt", group=CHANGING)
def _exc(it: Interpreter, text: str) -> None:
    parts = text.split()
    vcpu = it.vcpu(parts[0] if len(parts) > 1 else "")
    vector = _vectors(it, parts[-1] if parts else "0x100")[0]
    session = it.session
    host = session.host
    thread = next((cpu.number for cpu in host.cpus
                   if host.words[cpu.thread.vcpu] == 1 + vcpu.index), None)  # fmt: skip
    if thread is None or not session.in_guest(vcpu):
        raise CommandError(f"{vcpu.name} is not in its guest now")
    before = host.words.tolist()
    if not host.machine.interrupt(thread, vector):
        raise CommandError(f"the guest has no code at vector {vector:#x}")
    after = host.words.tolist()
    changed = {i: after[i] for i in range(len(after)) if after[i] != before[i]}
    for ref in changed:
        host.words[ref] = before[ref]
    session.change(f"interrupt {vector:#x} of {vcpu.name}", changed)


# ---- sessions ------------------------------------------------------------------------------

SESSION: Final = "session"


@command("save", "FILE", "keep all that was done by hand, and this place, as text", group=SESSION)
def _save(it: Interpreter, text: str) -> None:
    line = it.session.timeline
    if isinstance(line, Choices):
        if line.edits:
            raise CommandError("a schedule has no place for what was changed by hand")
        _write(text, short_text(line.schedule()) + "\n")
        return
    data = {
        "format": FORMAT,
        "position": line.position,
        "digest": line.digest(),
        "edits": [
            {
                "position": edit.position,
                "text": edit.text,
                "words": [[ref, value] for ref, value in edit.words.items()],
                "memory": [[p.vm, p.address, p.data.hex()] for p in edit.patches],
            }
            for edit in line.edits
            if edit.position < line.position
        ],
    }
    _write(text, json.dumps(data, indent=1) + "\n")


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, "ascii")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot write {name}: {error}") from None


@command("load", "FILE", "do again what was saved, and be where that was", group=SESSION)
def _load(it: Interpreter, text: str) -> None:
    session = it.session
    if isinstance(session.timeline, Choices):
        try:
            plan = parse_short(Path(text).read_text("ascii"))
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot read {text}: {error}") from None
        session.timeline.follow(plan)
        it.arrive(Stop("goto"))
        return
    try:
        data = json.loads(read_bytes(Path(text)))
        if data["format"] != FORMAT:
            raise CommandError(f"a saved session has format {FORMAT}, got {data['format']!r}")
        edits = [
            Edit(
                int(row["position"]),
                str(row["text"]),
                {int(ref): int(value) & WORD for ref, value in row["words"]},
                [Patch(int(vm), int(at), bytes.fromhex(raw)) for vm, at, raw in row["memory"]],
            )
            for row in data["edits"]
        ]
        position, digest = int(data["position"]), str(data["digest"])
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise CommandError(f"{text} is no saved session: {error}") from None
    nwords = len(session.host.words)
    if any(not 0 <= ref < nwords for edit in edits for ref in edit.words):
        raise CommandError(f"{text} is of another machine")
    session.timeline.goto(0)
    session.timeline.forget_future()
    session.timeline.edits = sorted(edits, key=lambda edit: edit.position)
    stop = session.goto(position)
    if session.timeline.digest() != digest:
        raise CommandError(f"{text} is of another guest or machine: the state differs")
    it.arrive(stop)


@command("source", "FILE", "run commands from a file", group=SESSION)
def _source(it: Interpreter, text: str) -> None:
    try:
        lines = iter(read_bytes(Path(text)).decode("utf-8", "replace").splitlines())
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {text}: {error}") from None
    before, it.more = it.more, lambda: next(lines, None)
    try:
        for line in lines:
            if line.strip():
                it.execute(line)
            if it.quit:
                break
    finally:
        it.more = before


@command("python", "[STATEMENT]", "Python with `session` and `host`; lines up to `end`", "py",
         group=SESSION)  # fmt: skip
def _python(it: Interpreter, text: str) -> None:
    source = text or "\n".join(_block(it))
    scope = {"session": it.session, "host": it.session.host, "emu": it,
             "print": lambda *values: it.say(" ".join(map(str, values)))}  # fmt: skip
    try:
        exec(compile(source, "<python>", "exec"), scope)  # noqa: S102 - the user's own code
    except EmuError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the user's
        raise CommandError(f"python: {type(error).__name__}: {error}") from None


@command("echo", "TEXT", "print a line", group=SESSION)
def _echo(it: Interpreter, text: str) -> None:
    it.say(text)


@command("help", "[COMMAND|INSTRUCTION]", "the commands, or the manual of one thing", "h", "?",
         group=SESSION)  # fmt: skip
def _help(it: Interpreter, text: str) -> None:
    if not text:
        it.say(*overview())
        return
    try:
        row = find(text)
    except CommandError:
        from emu.isa.manual import UnknownNameError, page  # noqa: PLC0415 - seldom wanted

        try:
            it.say(*page(text).splitlines())
        except UnknownNameError:
            raise CommandError(f"no command or instruction is called {text[:40]!r}") from None
        return
    it.say(usage(row), f"  {row.summary}")


@command("quit", "", "leave", "q", "exit", group=SESSION)
def _quit(it: Interpreter, _: str) -> None:
    it.quit = True


def usage(row: Command) -> str:
    """A command with its abbreviations and arguments."""
    return f"{', '.join((row.name, *row.short))} {row.arguments}".rstrip()


def overview() -> list[str]:
    """All commands, by group."""
    lines = []
    for group in dict.fromkeys(row.group for row in COMMANDS):
        lines.append(f"{group}:")
        lines += [f"  {usage(row):44} {row.summary}" for row in COMMANDS if row.group == group]
    return lines


def completions(it: Interpreter, line: str, word: str) -> list[str]:
    """What a word at the end of a line may become."""
    before = line[: len(line) - len(word)].strip()
    if not before:
        return sorted(row.name for row in COMMANDS if row.name.startswith(word))
    if before in ("source", "save", "load"):
        return sorted(str(path) for path in Path().glob(f"{word}*"))[:100]
    owner, dot, stem = word.rpartition(".")
    fits = (name for name in it.session.names.all_names() if name.startswith(stem))
    return sorted({f"{owner}{dot}{name}" for name in fits})[:200]


__all__ = ["COMMANDS", "CommandError", "ExpressionError", "Interpreter", "find"]
