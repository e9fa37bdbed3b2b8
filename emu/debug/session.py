"""One debugging session: where the machine is, what stops it, and how it gets elsewhere.

    session = Session(host, program)
    session.break_at(0x10040)
    session.cont()
    session.reverse_stepi()

Everything a REPL, gdb or a script can do to a run is a method here. A method that moves answers a
Stop. Forwards and backwards are exact opposites: see `timeline.py` for positions, and `stepi` for
what a step of one vcpu is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from emu.asm.source import read_bytes
from emu.core.engine import ACTOR_WORDS
from emu.core.watching import Watching
from emu.debug.advancing import NEAR, Advance
from emu.debug.calls import return_address
from emu.debug.expression import ExpressionError, parse
from emu.debug.history import PLENTY, Halt, History, Patch
from emu.debug.judging import Judge
from emu.debug.names import REAL, WORD, Names
from emu.debug.returning import Return
from emu.debug.stops import (
    AT_THE_BEGINNING,
    Accesspoint,
    Breakpoint,
    Catchpoint,
    Point,
    Stop,
    Watchpoint,
)
from emu.debug.timeline import ENDLESS, Timeline
from emu.errors import ConfigError, MemoryAccessError
from emu.hv.ref_names import RefNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emu.asm import Program
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu
    from emu.hv.schedulers import Scheduler

P = TypeVar("P", bound=Point)
LINE_STEPS: Final = 100_000


class Session:
    """A run under the debugger. `vcpu` is the one that steps and whose registers names mean.

    history: of another run than the scheduler's.
    """

    def __init__(
        self,
        host: Host,
        program: Program | None = None,
        scheduler: Scheduler | None = None,
        *,
        most_insns: int | None = None,
        history: History | None = None,
    ) -> None:
        self.host = host
        self.program = program
        self.interrupt: Callable[[], bool] = _never
        self.timeline: History = history or Timeline(
            host, scheduler, most_insns=PLENTY if most_insns is None else most_insns
        )
        self.timeline.interrupted = self._interrupted
        self.names = Names(host, program)
        self.refs = RefNames(host)
        self.points: list[Point] = []
        self.sources: dict[str, list[str]] = {}  # source files that were looked at, by name
        self.bookmarks: dict[str, int] = {}
        self.visited: list[int] = []
        self.locked = False
        self._numbers = 0
        self.judge = Judge(host, self.names, self.refs, self.timeline, self.points)
        self._advance = Advance(self)
        self._return = Return(self)

    def _interrupted(self) -> bool:
        return self.interrupt()

    # -- where it is

    @property
    def position(self) -> int:
        """How many steps from the beginning."""
        return self.timeline.position

    @property
    def at_end(self) -> bool:
        """Whether the run has ended, and it ended here."""
        end = self.timeline.end
        return end is not None and self.position >= end.position

    @property
    def vcpu(self) -> Vcpu:
        """The current vcpu."""
        return self.host.vcpus[self.names.vcpu]

    def select(self, index: int) -> None:
        """Make another vcpu the current one."""
        if not 0 <= index < len(self.host.vcpus):
            raise ConfigError(f"a vcpu must be 0 to {len(self.host.vcpus) - 1}, got {index}")
        self.names.vcpu = index

    def nia(self, vcpu: Vcpu | None = None) -> int:
        """Return the address of a vcpu's next instruction."""
        return int(self.host.words[(vcpu or self.vcpu).arch.nia])

    def actor_of(self, vcpu: Vcpu) -> int:
        """Return the actor that runs a vcpu's guest, or its task."""
        engine, machine = self.host.engine, self.host.machine
        for actor in range(len(self.host.actors)):
            if engine.guest(machine, actor) == vcpu.index:
                return actor
        return self.host.actors.index(vcpu)

    def in_guest(self, vcpu: Vcpu) -> bool:
        """Whether a vcpu's guest is about to run, and not host code for it."""
        return self.host.engine.in_guest(self.host.machine, vcpu.index)

    def evaluate(self, text: str) -> int:
        """Value of an expression. Raises ExpressionError."""
        return parse(text).evaluate(self.names)

    # -- points

    def break_at(self, address: int, *, temporary: bool = False) -> Breakpoint:
        """Stop in front of an instruction of the current vcpu's VM. Raises MemoryAccessError."""
        vm = self.vcpu.kvm.number
        real = address & REAL
        size = self.host.machine.memory_size(vm)
        if real % 4 or real >= size:
            raise MemoryAccessError(
                f"a breakpoint must be at a multiple of 4 below {size:#x}, got {address:#x}"
            )
        point = Breakpoint(0, self.names.symbolic(real), vm=vm, address=real, temporary=temporary)
        return self._add(point)

    def constant(self, text: str) -> bool:
        """Whether an expression looks at nothing that can change: a number, an address."""
        return not self.judge.look(parse(text), self.names.vcpu)[1]

    def watch(self, text: str) -> Watchpoint:
        """Stop after each step that changes an expression's value. Raises ExpressionError."""
        expression = parse(text)
        if self.constant(text):
            raise ExpressionError(f"a constant does not change: {text!r}")
        return self._add(Watchpoint(0, text, expression=expression, scope=self.names.vcpu))

    def watch_access(
        self, address: int, nbytes: int, *, loads: bool, stores: bool, text: str = ""
    ) -> Accesspoint:
        """Stop in front of every instruction that reads, or that writes, these bytes.

        Raises MemoryAccessError.
        """
        vm = self.vcpu.kvm.number
        self.host.machine.read(vm, address & REAL, nbytes)
        return self._add(
            Accesspoint(
                0,
                text or f"{nbytes} bytes at {self.names.symbolic(address & REAL)}",
                vm=vm,
                address=address & REAL,
                nbytes=nbytes,
                loads=loads,
                stores=stores,
            )
        )

    def catch(self, point: Catchpoint) -> Catchpoint:
        """Stop when something happens."""
        return self._add(point)

    def _add(self, point: P) -> P:
        self._numbers += 1
        point.number = self._numbers
        self.points.append(point)
        return point

    def point(self, number: int) -> Point:
        """Return a point by its number. Raises ConfigError."""
        for point in self.points:
            if point.number == number:
                return point
        raise ConfigError(f"there is no breakpoint {number}")

    def delete(self, number: int) -> None:
        """Remove a point. Raises ConfigError."""
        self.points.remove(self.point(number))

    # -- going

    def begin(self) -> Stop:
        """Be where the current vcpu is about to do its first instruction, if nothing has run."""
        if self.position == 0 and not self.in_guest(self.vcpu):
            return self._arrive(self._advance.one_step())
        return self._arrive(Stop("step"))

    def cont(self) -> Stop:
        """Go on until a point stops it, or the end; the current vcpu alone if it is locked."""
        self._let_go()
        return self._arrive(self._advance.alone() if self.locked else self._advance.go())

    def step_within(self, first: int, last: int) -> Stop:
        """Step instructions until the current vcpu is outside of addresses first to last - 1."""
        self._let_go()
        stop = Stop("step")
        for _ in range(LINE_STEPS):
            stop = self._advance.one_step()
            if stop.kind != "step" or not first <= self.nia() < last:
                break
        return self._arrive(stop)

    def stepi(self, count: int = 1) -> Stop:
        """Let the current vcpu do instructions, and the others what the schedule gives them.

        A step is one instruction with all that the hypervisor does for it, the taking of one
        interrupt, or a stay in the host that somebody else caused; it ends where the vcpu's guest
        is about to go on. So stepping over an hcall waits until it returns.
        """
        self._let_go()
        return self._arrive(self._advance.steps(count))

    def hstep(self, count: int = 1) -> Stop:
        """Do single steps of the machine on the current vcpu: host operations one by one."""
        self._let_go()
        return self._arrive(self._times(count, self._advance.one_host_step))

    def steps(self, count: int = 1) -> Stop:
        """Do single steps of the machine, whoever's turn it is."""
        return self._arrive(self._advance.go(limit=self.position + count))

    def nexti(self, count: int = 1) -> Stop:
        """Like stepi, but over calls (branches that set LR)."""
        self._let_go()
        return self._arrive(self._times(count, self._advance.one_over))

    def step_line(self, *, over: bool) -> Stop:
        """Step until the vcpu comes to another source line, over calls or into them."""
        self._let_go()
        start = self._line()
        advance = self._advance.one_over if over else self._advance.one_step
        for _ in range(LINE_STEPS):
            stop = advance()
            if stop.kind != "step" or (self._line() not in (None, start)) or start is None:
                return self._arrive(stop)
        return self._arrive(Stop("step", f"still on the same line after {LINE_STEPS} instructions"))

    def until(self, address: int) -> Stop:
        """Go on until the current vcpu is in front of an address, or a point stops it."""
        self._let_go()
        return self._arrive(self._advance.go_to(address))

    def finish(self) -> Stop:
        """Go on until the current function has returned to its caller."""
        self._let_go()
        back = self._caller()
        words, stack = self.host.words, self.vcpu.gpr(1)
        depth = words[stack]
        return self._arrive(self._advance.go_to(back, lambda: words[stack] >= depth))

    def goto(self, position: int) -> Stop:
        """Be at a position: one that was reached already, or a later one. Raises ReplayError."""
        if position > self.timeline.frontier:
            self.timeline.goto(self.timeline.frontier)
            return self._arrive(self._advance.go(limit=position, points=False, kind="goto"))
        self.timeline.goto(position)
        return self._arrive(Stop("goto"))

    # -- going back

    def reverse_cont(self) -> Stop:
        """Go back to the last place where a point would have stopped."""
        return self._arrive(self._return.back(self.judge.watching(), points=True))

    def reverse_stepi(self, count: int = 1) -> Stop:
        """Undo stepi: be where the current vcpu was about to do what it did last."""
        return self._arrive(self._return.steps_back(count))

    def reverse_hstep(self, count: int = 1) -> Stop:
        """Undo single steps of the current vcpu."""
        return self._arrive(self._times(count, self._return.one_host_step_back))

    def reverse_steps(self, count: int = 1) -> Stop:
        """Undo single steps of the machine."""
        target = max(self.position - count, 0)
        self.timeline.goto(target)
        return self._arrive(Stop("step" if target else "begin", "" if target else AT_THE_BEGINNING))

    def reverse_nexti(self, count: int = 1) -> Stop:
        """Undo nexti: go back over calls."""
        return self._arrive(self._times(count, self._return.one_over_back))

    def reverse_step_line(self, *, over: bool) -> Stop:
        """Go back to the beginning of the line before, or of this one if not at its beginning."""
        back = self._return.one_over_back if over else self._return.one_back
        stop = back()
        start = self._line()
        for _ in range(LINE_STEPS):
            if stop.kind != "step":
                return self._arrive(stop)
            here = self.position
            stop = back()
            if stop.kind == "step" and self._line() != start:
                self.timeline.goto(here)
                return self._arrive(Stop("step"))
        return self._arrive(stop)

    def reverse_finish(self) -> Stop:
        """Go back to the call of the current function."""
        return self._arrive(self._return.back_to(self._caller() - 4))

    def _caller(self) -> int:
        """Where the current function returns to. Raises ConfigError if nobody called it."""
        back = return_address(self)
        if back == 0:
            lr = self.host.words[self.vcpu.arch.lr]
            reason = "points into this very function" if lr else "is 0"
            raise ConfigError(f"no caller is known: LR {reason}")
        return back

    # -- who moves

    def give_turn(self, actor: int, instructions: int = ENDLESS) -> None:
        """Make an actor the one whose turn it is. Raises ConfigError if it cannot run."""
        host = self.host
        if not 0 <= actor < len(host.actors):
            raise ConfigError(f"an actor must be 0 to {len(host.actors) - 1}, got {actor}")
        if self.timeline.is_over():
            raise ConfigError("the run is over here")
        if not self.timeline.can_go(actor):
            raise ConfigError(f"{host.actor_name(actor)} waits and cannot go on")
        if host.engine.turn(host.machine) == actor:
            return
        self.timeline.give_turn(actor, instructions)

    def run_alone(self, actor: int, count: int) -> Stop:
        """Let one actor do so many steps while all others stand still."""
        for _ in range(count):
            if self.timeline.is_over():
                return self._arrive(self._advance.go(limit=self.position + 1))
            try:
                self.give_turn(actor)
            except ConfigError as error:
                return self._arrive(Stop("waits", str(error)))
            stop = self._advance.go(limit=self.position + 1)
            if stop.kind != "step":
                return self._arrive(stop)
        return self._arrive(Stop("step"))

    def change(self, text: str, words: Mapping[int, int], patches: Sequence[Patch] = ()) -> None:
        """Change state words or memory by hand. Raises ReplayError at the end of the run."""
        self.timeline.edit(text, words, patches)

    def source(self, file: str) -> list[str]:
        """Read the lines of a source file; raises OSError or ValueError if that cannot be done."""
        if file not in self.sources:
            self.sources[file] = read_bytes(Path(file)).decode("utf-8", "replace").splitlines()
        return self.sources[file]

    def store(self, address: int, value: int, nbytes: int) -> None:
        """Write a number to memory, in the byte order of the current vcpu."""
        data = (value & (1 << 8 * nbytes) - 1).to_bytes(nbytes, self.names.endian())
        self.write(address, data)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes to memory. Raises MemoryAccessError."""
        vm = self.vcpu.kvm.number
        self.host.machine.read(vm, address & REAL, len(data))  # refuses what lies outside
        patch = Patch(vm, address & REAL, data)
        self.change(f"{len(data)} bytes at {address:#x}", {}, [patch])

    def read(self, address: int, nbytes: int) -> bytes:
        """Read memory of the current vcpu's VM. Raises MemoryAccessError."""
        return self.host.machine.read(self.vcpu.kvm.number, address & REAL, nbytes)

    # -- who did it

    def last_change(self, text: str) -> tuple[int, str] | None:
        """Find the last step that changed an expression: its position, and who did what.

        The session stays where it is.
        """
        here = self.position
        expression = parse(text)
        scope = self.names.vcpu
        _, watched = self.judge.look(expression, scope)
        seen: list[int] = []

        def changed(halt: Halt) -> bool:
            value, _ = self.judge.look(expression, scope)
            differs = bool(seen) and seen[-1] != value and halt.kind != "start"
            seen[:] = [value]
            return differs

        try:
            found = self.timeline.last(
                here + 1, Watching(watched=watched), changed, near=NEAR, after=True
            )
        except KeyboardInterrupt:
            self.timeline.goto(here)
            raise
        if found is None:
            self.timeline.goto(here)
            return None
        self.timeline.goto(found - 1)
        before = self.judge.look(expression, scope)[0]
        doing = self.next_step()
        self.timeline.goto(found)
        after = self.judge.look(expression, scope)[0]
        self.timeline.goto(here)
        return found, f"{text} {before:#x} -> {after:#x}: {doing}"

    def next_step(self) -> str:
        """Say what the machine's next step is: who, and what."""
        host = self.host
        edit = next((e for e in self.timeline.edits if e.position == self.position), None)
        if edit is not None:
            return f"by hand: {edit.text}"
        happens = self.timeline.happens_next()
        if happens:
            return happens
        actor = host.engine.turn(host.machine)
        if actor is None:
            return "the scheduler chooses who goes on"
        index = host.engine.guest(host.machine, actor)
        if index is not None:
            vcpu = host.vcpus[index]
            return f"v{index} at {self.names.symbolic(self.nia(vcpu))}: {self.disassembled(vcpu)}"
        place = host.where(actor)[-1]
        operation = self.refs.operation(host.automaton.op(self._node(actor)))
        return f"{host.actor_name(actor)} in {place.function}: {operation}"

    def disassembled(self, vcpu: Vcpu) -> str:
        """Write a vcpu's next instruction."""
        from emu.isa.disasm import disassemble  # noqa: PLC0415 - costs time that few need

        word = self.host.machine.fetch(vcpu.index)
        return "?" if word is None else disassemble(word, self.nia(vcpu), self.names.label)

    def _node(self, actor: int) -> int:
        return int(self.host.words[self.host.machine.area("actor") + ACTOR_WORDS * actor])

    def rest(self, stop: Stop) -> Stop:
        """Come to rest here, wherever the history was brought to."""
        return self._arrive(stop)

    def _let_go(self) -> None:
        if not self.locked:
            self.timeline.let_go()

    def _arrive(self, stop: Stop) -> Stop:
        """Come to rest."""
        if stop.vcpu is not None:
            self.names.vcpu = stop.vcpu
        if not self.visited or self.visited[-1] != self.position:
            self.visited.append(self.position)
        del self.visited[:-100]
        return stop

    def _times(self, count: int, one: Callable[[], Stop]) -> Stop:
        stop = Stop("step")
        for _ in range(count):
            stop = one()
            if stop.kind != "step":
                break
        return stop

    # -- lines and calls

    def _line(self) -> tuple[str, int] | None:
        row = self.program.line_at(self.nia() & REAL) if self.program else None
        return None if row is None else (row.file, row.line)


def _never() -> bool:
    return False


__all__ = ["WORD", "Session", "Stop"]
