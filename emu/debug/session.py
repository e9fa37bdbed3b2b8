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

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from emu.core.engine import ACTOR_WORDS, StepKind
from emu.core.watching import StoppedBy, Watched, Watching
from emu.debug import accesses
from emu.debug.expression import Expression, ExpressionError, parse
from emu.debug.history import FAR, PLENTY, Halt, History, Patch
from emu.debug.names import REAL, WORD, Names
from emu.debug.refs import RefNames
from emu.debug.stops import Accesspoint, Breakpoint, Catchpoint, Point, Stop, Watchpoint
from emu.debug.timeline import Timeline
from emu.errors import ConfigError, EmuError, MemoryAccessError
from emu.hv.event import BY_NUMBER
from emu.hv.ops import Reason
from emu.isa.interrupts import INTERRUPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from emu.asm import Program
    from emu.debug.stops import StopKind
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu
    from emu.hv.schedulers import Scheduler

P = TypeVar("P", bound=Point)
NEAR: Final = 1 << 12  # steps that going back one step looks at first
PATIENCE: Final = 50_000_000  # steps that one step of a vcpu may take before it is called waiting
OWN_STEPS: Final = (StepKind.GUEST, StepKind.EXIT, StepKind.HOST, StepKind.WAIT)
LONG_SLICE: Final = 1 << 40
LINE_STEPS: Final = 100_000
VECTOR_NAMES: Final = {row.vector: row.name for row in INTERRUPTS}


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
        self.bookmarks: dict[str, int] = {}
        self.visited: list[int] = []
        self.locked = False
        self.last_stop: Stop | None = None
        self._numbers = 0

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

    def watch(self, text: str) -> Watchpoint:
        """Stop after each step that changes an expression's value. Raises ExpressionError."""
        expression = parse(text)
        _, watched = self._look(expression, self.names.vcpu)
        if not watched:
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
            return self._arrive(self._one_step())
        return self._arrive(Stop("step"))

    def cont(self) -> Stop:
        """Go on until a point stops it, or the end; the current vcpu alone if it is locked."""
        return self._arrive(self._alone() if self.locked else self._go())

    def _alone(self) -> Stop:
        """Let only the current vcpu move until a point stops it or it cannot."""
        actor = self.actor_of(self.vcpu)
        armed = self._enabled(Breakpoint)
        with self._armed(armed):
            while True:
                try:
                    self.give_turn(actor)
                except ConfigError as error:
                    return Stop("waits", str(error))
                lost = (StepKind.TURN, StepKind.WAIT)
                halt = self.timeline.forward(watching=self._watching(kinds=lost))
                if halt.by is not StoppedBy.KIND:
                    stop = self._judged(halt)
                    if stop is not None:
                        return stop

    def step_within(self, first: int, last: int) -> Stop:
        """Step instructions until the current vcpu is outside of addresses first to last - 1."""
        stop = Stop("step")
        for _ in range(LINE_STEPS):
            stop = self._one_step()
            if stop.kind != "step" or not first <= self.nia() < last:
                break
        return self._arrive(stop)

    def stepi(self, count: int = 1) -> Stop:
        """Let the current vcpu do instructions, and the others what the schedule gives them.

        A step is one instruction with all that the hypervisor does for it, the taking of one
        interrupt, or a stay in the host that somebody else caused; it ends where the vcpu's guest
        is about to go on. So stepping over an hcall waits until it returns.
        """
        return self._arrive(self._times(count, self._one_step))

    def hstep(self, count: int = 1) -> Stop:
        """Do single steps of the machine on the current vcpu: host operations one by one."""
        return self._arrive(self._times(count, self._one_host_step))

    def steps(self, count: int = 1) -> Stop:
        """Do single steps of the machine, whoever's turn it is."""
        return self._arrive(self._go(limit=self.position + count))

    def nexti(self, count: int = 1) -> Stop:
        """Like stepi, but over calls (branches that set LR)."""
        return self._arrive(self._times(count, self._one_over))

    def step_line(self, *, over: bool) -> Stop:
        """Step until the vcpu comes to another source line, over calls or into them."""
        start = self._line()
        advance = self._one_over if over else self._one_step
        for _ in range(LINE_STEPS):
            stop = advance()
            if stop.kind != "step" or (self._line() not in (None, start)) or start is None:
                return self._arrive(stop)
        return self._arrive(Stop("step", f"still on the same line after {LINE_STEPS} instructions"))

    def until(self, address: int) -> Stop:
        """Go on until the current vcpu is in front of an address, or a point stops it."""
        vcpu = self.vcpu
        return self._arrive(self._go_to(address, lambda: self._at(vcpu, address)))

    def finish(self) -> Stop:
        """Go on until the current function has returned to its caller."""
        vcpu = self.vcpu
        back, depth = self._return_address(), self.host.words[vcpu.gpr(1)]
        return self._arrive(
            self._go_to(
                back, lambda: self._at(vcpu, back) and self.host.words[vcpu.gpr(1)] >= depth
            )
        )

    def goto(self, position: int) -> Stop:
        """Be at a position: one that was reached already, or a later one. Raises ReplayError."""
        if position > self.timeline.frontier:
            self.timeline.goto(self.timeline.frontier)
            return self._arrive(self._go(limit=position, points=False, kind="goto"))
        self.timeline.goto(position)
        return self._arrive(Stop("goto"))

    # -- going back

    def reverse_cont(self) -> Stop:
        """Go back to the last place where a point would have stopped."""
        return self._arrive(self._back(self._watching(), points=True))

    def reverse_stepi(self, count: int = 1) -> Stop:
        """Undo stepi: be where the current vcpu was about to do what it did last."""
        return self._arrive(self._times(count, self._one_back))

    def reverse_hstep(self, count: int = 1) -> Stop:
        """Undo single steps of the current vcpu."""
        return self._arrive(self._times(count, self._one_host_step_back))

    def reverse_steps(self, count: int = 1) -> Stop:
        """Undo single steps of the machine."""
        target = max(self.position - count, 0)
        self.timeline.goto(target)
        return self._arrive(Stop("step" if target else "begin", "" if target else AT_THE_BEGINNING))

    def reverse_nexti(self, count: int = 1) -> Stop:
        """Undo nexti: go back over calls."""
        return self._arrive(self._times(count, self._one_over_back))

    def reverse_step_line(self, *, over: bool) -> Stop:
        """Go back to the beginning of the line before, or of this one if not at its beginning."""
        back = self._one_over_back if over else self._one_back
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
        vcpu = self.vcpu
        call = self._return_address() - 4
        with self._temporary(call) as watching:
            return self._arrive(self._back(watching, lambda: self._at(vcpu, call)))

    # -- who moves

    def give_turn(self, actor: int, instructions: int = LONG_SLICE) -> None:
        """Make an actor the one whose turn it is. Raises ConfigError if it cannot run."""
        host = self.host
        if not 0 <= actor < len(host.actors):
            raise ConfigError(f"an actor must be 0 to {len(host.actors) - 1}, got {actor}")
        if not self.timeline.can_go(actor):
            raise ConfigError(f"{host.actor_name(actor)} waits and cannot go on")
        if host.engine.turn(host.machine) == actor:
            return
        self.timeline.give_turn(actor, instructions)

    def run_alone(self, actor: int, count: int) -> Stop:
        """Let one actor do so many steps while all others stand still."""
        for _ in range(count):
            try:
                self.give_turn(actor)
            except ConfigError as error:
                return self._arrive(Stop("waits", str(error)))
            stop = self._go(limit=self.position + 1)
            if stop.kind != "step":
                return self._arrive(stop)
        return self._arrive(Stop("step"))

    def change(self, text: str, words: Mapping[int, int], patches: Sequence[Patch] = ()) -> None:
        """Change state words or memory by hand. Raises ReplayError at the end of the run."""
        self.timeline.edit(text, words, patches)

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
        _, watched = self._look(expression, scope)
        seen: list[int] = []

        def changed(halt: Halt) -> bool:
            value, _ = self._look(expression, scope)
            differs = bool(seen) and seen[-1] != value and halt.kind != "start"
            seen[:] = [value]
            return differs

        found = self.timeline.last(here + 1, Watching(watched=watched), changed)
        if found is None:
            self.timeline.goto(here)
            return None
        self.timeline.goto(found - 1)
        before = self._look(expression, scope)[0]
        doing = self.next_step()
        self.timeline.goto(found)
        after = self._look(expression, scope)[0]
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

    # -- how it goes

    def _node(self, actor: int) -> int:
        return int(self.host.words[self.host.machine.area("actor") + ACTOR_WORDS * actor])

    def _arrive(self, stop: Stop) -> Stop:
        """Come to rest."""
        if stop.vcpu is not None:
            self.names.vcpu = stop.vcpu
        if not self.visited or self.visited[-1] != self.position:
            self.visited.append(self.position)
        del self.visited[:-100]
        self.last_stop = stop
        return stop

    def _times(self, count: int, one: Callable[[], Stop]) -> Stop:
        stop = Stop("step")
        for _ in range(count):
            stop = one()
            if stop.kind != "step":
                break
        return stop

    def _look(self, expression: Expression, scope: int) -> tuple[int, list[Watched]]:
        """Value of an expression, and what it was made of."""
        current, self.names.vcpu = self.names.vcpu, scope
        watched: list[Watched] = []
        self.names.watched = watched
        try:
            value = expression.evaluate(self.names)
        finally:
            self.names.vcpu, self.names.watched = current, None
        return value, list(dict.fromkeys(watched))

    def _enabled(self, kind: type[P]) -> list[P]:
        return [point for point in self.points if isinstance(point, kind) and point.enabled]

    def _watching(self, *, ready: int | None = None, kinds: Sequence[StepKind] = (),
                  owner: int | None = None, points: bool = True) -> Watching | None:  # fmt: skip
        """Gather all reasons to stop that need watching; None if there are none."""
        watched: list[Watched] = []
        catches = self._enabled(Catchpoint) if points else []
        for point in self._enabled(Watchpoint) if points else []:
            if point.expression is not None:
                point.value, parts = self._look(point.expression, point.scope)
                watched += parts

        def numbers(kind: str) -> set[int]:
            return {n for catch in catches if catch.kind == kind for n in catch.numbers}

        exits = numbers("exit")
        if any(catch.kind == "hcall" for catch in catches):
            exits.add(Reason.HCALL)
        words = [word for catch in catches for word in catch.words]
        seen = self._enabled(Accesspoint) if points else []
        for access in seen:
            words += accesses.words(loads=access.loads, stores=access.stores)
        if any(catch.kind == "step" for catch in catches):
            kinds = (*kinds, StepKind.HOST)
        if not (watched or catches or seen or ready is not None or kinds):
            return None
        return Watching(
            watched=watched,
            words=list(dict.fromkeys(words)),
            events=numbers("event"),
            exits=exits,
            vectors=numbers("interrupt"),
            kinds=kinds,
            owner=owner,
            ready=ready,
        )

    @contextmanager
    def _armed(self, points: Sequence[Breakpoint]) -> Iterator[None]:
        """Put breakpoints into the machine for a while."""
        places = {(point.vm, point.address) for point in points}
        ends = {(vm.number, address) for vm in self.host.vms for address in vm.ends}
        for vm, address in places - ends:
            self.timeline.arm(vm, address, on=True)
        try:
            yield
        finally:
            for vm, address in places - ends:
                self.timeline.arm(vm, address, on=False)

    def _go(
        self,
        *,
        limit: int = FAR,
        points: bool = True,
        kind: str = "step",
        extra: Sequence[Breakpoint] = (),
        until: Callable[[], bool] = lambda: False,
    ) -> Stop:
        """Go forward until a point stops, `until` holds at an extra breakpoint, or the limit."""
        armed = [*(self._enabled(Breakpoint) if points else ()), *extra]
        with self._armed(armed):
            watching = self._watching(points=points)
            while True:
                halt = self.timeline.forward(limit, watching=watching)
                if halt.kind == "limit":
                    return Stop("goto" if kind == "goto" else "step")
                if halt.kind == "breakpoint" and until():
                    return Stop("step")
                stop = self._judged(halt)
                if stop is not None:
                    return stop
                if halt.by is StoppedBy.WATCH:
                    watching = self._watching(points=points)

    def _judged(self, halt: Halt) -> Stop | None:
        """Turn a halt into a stop, or None to go on; counts hits and drops what was temporary."""
        if halt.kind == "end":
            end = self.timeline.end
            return Stop("end", end.text if end else "", self._vcpu_of(halt))
        if halt.kind == "interrupted":
            return Stop("interrupted", "interrupted")
        hit = [point for point in self._hits(halt) if self._counts(point)]
        if not hit:
            return None
        for point in hit:
            if point.temporary:
                self.points.remove(point)
        lines = [self._hit_text(point, halt) for point in hit]
        return Stop(_kind_of(hit[0]), "\n".join(lines), self._vcpu_of(halt), tuple(hit))

    def _counts(self, point: Point) -> bool:
        point.hits += 1
        if point.ignore:
            point.ignore -= 1
            return False
        return True

    def _vcpu_of(self, halt: Halt) -> int | None:
        """Say which vcpu a halt is about, if its guest is."""
        if halt.kind == "watching" and halt.by is StoppedBy.WATCH:
            return None
        index = self.host.engine.guest(self.host.machine, halt.actor)
        if index is None and halt.actor < len(self.host.vcpus):
            return halt.actor
        return index

    def _hits(self, halt: Halt) -> list[Point]:
        """List the enabled points that a halt is about and whose conditions hold."""
        found: list[Point] = []
        vcpu = self._vcpu_of(halt)
        if halt.kind == "breakpoint" and vcpu is not None:
            here = self.host.vcpus[vcpu]
            real = self.nia(here) & REAL
            found += [
                point
                for point in self._enabled(Breakpoint)
                if point.address == real and point.vm == here.kvm.number
            ]
        elif halt.by is StoppedBy.WATCH:
            for point in self._enabled(Watchpoint):
                if point.expression is not None and self._watch_changed(point):
                    found.append(point)
        elif halt.kind == "watching":
            found += [
                point for point in self._enabled(Catchpoint) if self._caught(point, halt, vcpu)
            ]
            if halt.by is StoppedBy.WORD and vcpu is not None:
                found += self._accessed(vcpu)
        return [
            point
            for point in found
            if self._applies(point, vcpu) and (vcpu is not None or self._did(point, halt.actor))
        ]

    def _did(self, point: Point, actor: int) -> bool:
        """Whether it was the vcpu that a watchpoint is about that changed the value."""
        index = self.host.engine.guest(self.host.machine, actor)
        return point.vcpu is None or point.vcpu == (actor if index is None else index)

    def _accessed(self, vcpu: int) -> list[Point]:
        """List the points whose bytes a vcpu's next instruction accesses."""
        machine, words, here = self.host.machine, self.host.words, self.host.vcpus[vcpu]
        word = machine.fetch(vcpu)
        if word is None:
            return []
        found = accesses.access(word, lambda n: words[here.gpr(n)], words[here.arch.xer])
        if found is None:
            return []
        first = found.address & REAL
        return [
            point
            for point in self._enabled(Accesspoint)
            if (point.stores if found.store else point.loads)
            and point.vm == here.kvm.number
            and first < point.address + point.nbytes
            and point.address < first + found.nbytes
        ]

    def _watch_changed(self, point: Watchpoint) -> bool:
        assert point.expression is not None
        try:
            value, _ = self._look(point.expression, point.scope)
        except ExpressionError:
            return False
        changed = value != point.value
        point.text = point.text.partition(":")[0]
        if changed:
            point.text += f": {point.value:#x} -> {value:#x}"
        point.value = value
        return changed

    def _caught(self, point: Catchpoint, halt: Halt, vcpu: int | None) -> bool:
        kinds = {
            "instruction": StoppedBy.WORD,
            "interrupt": StoppedBy.VECTOR,
            "exit": StoppedBy.EXIT,
            "hcall": StoppedBy.EXIT,
            "event": StoppedBy.EVENT,
            "step": StoppedBy.KIND,
        }
        if halt.by is not kinds[point.kind]:
            return False
        if point.kind == "instruction":
            word = None if vcpu is None else self.host.machine.fetch(vcpu)
            return word is not None and any(word & mask == match for mask, match in point.words)
        if point.kind == "hcall":
            if halt.which != Reason.HCALL or vcpu is None:
                return False
            number = self.host.words[self.host.vcpus[vcpu].gpr(3)]
            return not point.numbers or number in point.numbers
        return point.kind == "step" or halt.which in point.numbers

    def _applies(self, point: Point, vcpu: int | None) -> bool:
        if point.vcpu is not None and vcpu is not None and vcpu != point.vcpu:
            return False
        if point.condition is None:
            return True
        scope = self.names.vcpu if vcpu is None else vcpu
        try:
            return bool(self._look(point.condition, scope)[0])
        except ExpressionError:
            return True  # better to stop once too often: the user sees the expression

    def _hit_text(self, point: Point, halt: Halt) -> str:
        if isinstance(point, Breakpoint):
            return f"breakpoint {point.number}, {point.text}"
        if isinstance(point, Accesspoint):
            return f"watchpoint {point.number}, before an access to {point.text}"
        if isinstance(point, Watchpoint):
            return f"watchpoint {point.number}: {point.text.replace(':', '', 1)}"
        what = {
            StoppedBy.VECTOR: lambda n: f"interrupt {VECTOR_NAMES.get(n, 'at')} {n:#x}",
            StoppedBy.EXIT: lambda n: f"exit {Reason(n).name}",
            StoppedBy.EVENT: lambda n: f"event {BY_NUMBER[n].title}",
        }.get(halt.by)
        return f"catchpoint {point.number}, {what(halt.which) if what else point.text}"

    # -- single steps

    def _one_step(self, *, within: Sequence[StepKind] = ()) -> Stop:
        """Let the current vcpu do an instruction; see stepi."""
        vcpu = self.vcpu
        actor = self.actor_of(vcpu)
        limit = self.position + PATIENCE
        with self._armed(self._enabled(Breakpoint)):
            lost = (StepKind.TURN, StepKind.WAIT) if self.locked else ()
            watching = self._watching(ready=vcpu.index, kinds=(*within, *lost))
            again = False
            while True:
                if self.locked:
                    try:
                        self.give_turn(actor)
                    except ConfigError as error:
                        return Stop("waits", str(error))
                halt = self.timeline.forward(limit, watching=watching, again=again)
                again = True
                if halt.by is StoppedBy.READY:
                    return Stop("step")
                if halt.kind == "limit":
                    return Stop(
                        "waits", f"v{vcpu.index} did nothing in {PATIENCE} steps of the machine"
                    )
                if halt.kind == "breakpoint" and self._vcpu_of(halt) == vcpu.index:
                    return self._judged(halt) or Stop("step")
                stop = self._judged(halt)
                if stop is not None:
                    return stop

    def _one_host_step(self) -> Stop:
        """Let the current vcpu's task or guest do one step of any kind."""
        if self.locked:
            try:
                self.give_turn(self.actor_of(self.vcpu))
            except ConfigError as error:
                return Stop("waits", str(error))
            return self._go(limit=self.position + 1)
        with self._armed(self._enabled(Breakpoint)):
            watching = self._watching(kinds=OWN_STEPS, owner=self.vcpu.index)
            while True:
                halt = self.timeline.forward(self.position + PATIENCE, watching=watching)
                if halt.kind == "limit":
                    return Stop("waits", f"v{self.vcpu.index} did nothing in {PATIENCE} steps")
                if halt.by is StoppedBy.KIND:
                    return Stop("step")
                stop = self._judged(halt)
                if stop is not None:
                    return stop

    def _one_over(self) -> Stop:
        """Step over a call, or do one instruction."""
        vcpu = self.vcpu
        word = self.host.machine.fetch(vcpu.index) or 0
        if not self.in_guest(vcpu) or not _is_call(word):
            return self._one_step()
        back, depth = self.nia() + 4, self.host.words[vcpu.gpr(1)]
        return self._go_to(
            back, lambda: self._at(vcpu, back) and self.host.words[vcpu.gpr(1)] >= depth
        )

    def _at(self, vcpu: Vcpu, address: int) -> bool:
        return self.in_guest(vcpu) and self.nia(vcpu) & REAL == address & REAL

    def _go_to(self, address: int, arrived: Callable[[], bool]) -> Stop:
        extra = Breakpoint(0, "", vm=self.vcpu.kvm.number, address=address & REAL & ~3)
        if extra.address >= self.host.machine.memory_size(extra.vm):
            raise MemoryAccessError(f"there is no code at {address:#x}")
        return self._go(extra=[extra], until=arrived)

    # -- single steps back

    def _one_back(self) -> Stop:
        vcpu = self.vcpu.index
        watching = Watching(ready=vcpu)
        return self._last(watching, lambda halt: halt.by is StoppedBy.READY)

    def _one_host_step_back(self) -> Stop:
        watching = Watching(kinds=OWN_STEPS, owner=self.vcpu.index)
        return self._last(watching, lambda halt: halt.by is StoppedBy.KIND)

    def _last(self, watching: Watching, accept: Callable[[Halt], bool]) -> Stop:
        """Go to the last stop before here, looking nearby first; else to the beginning."""
        here = self.position
        if here == 0:
            return Stop("begin", AT_THE_BEGINNING)
        try:
            found = self.timeline.last(here, watching, accept, near=NEAR)
        except KeyboardInterrupt:
            self.timeline.goto(here)
            return Stop("interrupted", "interrupted")
        self.timeline.goto(found or 0)
        return Stop("step") if found else Stop("begin", AT_THE_BEGINNING)

    def _one_over_back(self) -> Stop:
        """Undo an instruction; if that is a return, the whole call it returned from."""
        vcpu = self.vcpu
        call, depth = self.nia() - 4, self.host.words[vcpu.gpr(1)]
        stop = self._one_back()
        word = self.host.machine.fetch(vcpu.index) or 0
        called = self._word_at(call)
        if stop.kind != "step" or not _is_return(word) or called is None or not _is_call(called):
            return stop
        with self._temporary(call) as watching:
            return self._back(
                watching,
                lambda: self._at(vcpu, call) and self.host.words[vcpu.gpr(1)] == depth,
            )

    def _word_at(self, address: int) -> int | None:
        try:
            return int.from_bytes(self.read(address, 4), self.names.endian())
        except MemoryAccessError:
            return None

    @contextmanager
    def _temporary(self, address: int) -> Iterator[None]:
        extra = Breakpoint(0, "", vm=self.vcpu.kvm.number, address=address & REAL & ~3)
        with self._armed([extra]):
            yield None

    def _back(
        self,
        watching: Watching | None,
        arrived: Callable[[], bool] = lambda: False,
        *,
        points: bool = False,
    ) -> Stop:
        """Go back to the last stop of a point, or to where `arrived` holds at a breakpoint."""
        here = self.position
        if here == 0:
            return Stop("begin", AT_THE_BEGINNING)
        hits: list[tuple[Point, ...]] = []
        texts: list[tuple[str, int | None]] = []

        def accept(halt: Halt) -> bool:
            if halt.kind == "start":
                for point in self._enabled(Watchpoint):
                    if point.expression is not None:
                        point.value, _ = self._look(point.expression, point.scope)
                return False
            if halt.kind == "breakpoint" and arrived():
                return True
            hit = self._hits(halt) if points else []
            if hit:
                hits[:] = [tuple(hit)]
                lines = [self._hit_text(point, halt) for point in hit]
                texts[:] = [("\n".join(lines), self._vcpu_of(halt))]
            return bool(hit)

        with self._armed(self._enabled(Breakpoint) if points else []):
            try:
                found = self.timeline.last(here, watching, accept)
            except KeyboardInterrupt:
                self.timeline.goto(here)
                return Stop("interrupted", "interrupted")
        self.timeline.goto(found or 0)
        if not found:
            return Stop("begin", AT_THE_BEGINNING)
        if not hits:
            return Stop("step")
        return Stop(_kind_of(hits[0][0]), texts[0][0], texts[0][1], hits[0])

    # -- lines and calls

    def _line(self) -> tuple[str, int] | None:
        row = self.program.line_at(self.nia() & REAL) if self.program else None
        return None if row is None else (row.file, row.line)

    def _return_address(self) -> int:
        """Guess where the current function returns to: LR in a leaf, else what it saved."""
        words, vcpu = self.host.words, self.vcpu
        lr: int = words[vcpu.arch.lr]
        here, there = (self.names.label(a).partition("+")[0] for a in (self.nia(), lr))
        if here != there or not here:
            return lr
        try:
            caller = self.names.memory(words[vcpu.gpr(1)], 8)
            return self.names.memory(caller + 16, 8)
        except EmuError:
            return lr


def _never() -> bool:
    return False


AT_THE_BEGINNING: Final = "the beginning of history"


def _kind_of(point: Point) -> StopKind:
    if isinstance(point, Breakpoint):
        return "breakpoint"
    return "watch" if isinstance(point, Watchpoint | Accesspoint) else "catch"


def _is_call(word: int) -> bool:
    """Whether an instruction is a branch that sets LR (b, bc, bclr, bcctr with LK)."""
    opcode = word >> 26
    branches = opcode in (16, 18) or (opcode == 19 and word >> 1 & 0x3FF in (16, 528, 560))
    return branches and bool(word & 1)


def _is_return(word: int) -> bool:
    return word & 0xFC0007FF == 0x4C000020


__all__ = ["WORD", "Session", "Stop"]
