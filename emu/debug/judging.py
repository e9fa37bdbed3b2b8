"""What must stop the machine, and whether what stopped it is what the user waits for.

The machine stops for more than the user asked: every change of a word that a watched expression
looks at, every exit if one hcall is to be caught. Here what it is told to watch is gathered, and
each halt is held against the points, their conditions and counts.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from emu.core.engine import StepKind
from emu.core.watching import StoppedBy, Watched, Watching
from emu.debug import accesses
from emu.debug.expression import Expression, ExpressionError
from emu.debug.names import REAL
from emu.debug.stops import Accesspoint, Breakpoint, Catchpoint, Point, Stop, Watchpoint
from emu.hv.event import BY_NUMBER
from emu.hv.ops import Reason
from emu.isa.hcalls import HCALLS
from emu.isa.interrupts import INTERRUPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emu.debug.history import Halt, History
    from emu.debug.names import Names
    from emu.debug.stops import StopKind
    from emu.hv.host import Host
    from emu.hv.ref_names import RefNames

P = TypeVar("P", bound=Point)
VECTOR_NAMES: Final = {row.vector: row.name for row in INTERRUPTS}
HCALL_NAMES: Final = {row.number: row.name for row in HCALLS}


class Judge:
    """Knows the points of a session. points: the session's own list, which it changes."""

    def __init__(
        self, host: Host, names: Names, refs: RefNames, timeline: History, points: list[Point]
    ) -> None:
        self._host = host
        self._refs = refs
        self._names = names
        self._timeline = timeline
        self._points = points

    def look(self, expression: Expression, scope: int) -> tuple[int, list[Watched]]:
        """Value of an expression, and what it was made of."""
        current, self._names.vcpu = self._names.vcpu, scope
        watched: list[Watched] = []
        self._names.watched = watched
        try:
            value = expression.evaluate(self._names)
        finally:
            self._names.vcpu, self._names.watched = current, None
        return value, list(dict.fromkeys(watched))

    def enabled(self, kind: type[P]) -> list[P]:
        """List the points of a kind that are switched on."""
        return [point for point in self._points if isinstance(point, kind) and point.enabled]

    def watching(self, *, ready: int | None = None, passes: int = 0,
                 kinds: Sequence[StepKind] = (), owner: int | None = None,
                 points: bool = True) -> Watching | None:  # fmt: skip
        """Gather all reasons to stop that need watching; None if there are none."""
        watched: list[Watched] = []
        catches = self.enabled(Catchpoint) if points else []
        for point in self.enabled(Watchpoint) if points else []:
            if point.expression is not None:
                point.value, parts = self.look(point.expression, point.scope)
                watched += parts

        def numbers(kind: str) -> set[int]:
            return {n for catch in catches if catch.kind == kind for n in catch.numbers}

        exits = numbers("exit")
        if any(catch.kind == "hcall" for catch in catches):
            exits.add(Reason.HCALL)
        words = [word for catch in catches for word in catch.words]
        seen = self.enabled(Accesspoint) if points else []
        for access in seen:
            words += accesses.words(loads=access.loads, stores=access.stores)
        if any(catch.kind == "step" for catch in catches):
            kinds = (*kinds, StepKind.HOST)
        if any(catch.operation for catch in catches):
            kinds = (*kinds, StepKind.EXIT)
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
            passes=passes,
        )

    @contextmanager
    def armed(self, points: Sequence[Breakpoint]) -> Iterator[None]:
        """Put breakpoints into the machine for a while."""
        places = {(point.vm, point.address) for point in points}
        ends = {(vm.number, address) for vm in self._host.vms for address in vm.ends}
        for vm, address in places - ends:
            self._timeline.arm(vm, address, on=True)
        try:
            yield
        finally:
            for vm, address in places - ends:
                self._timeline.arm(vm, address, on=False)

    def judged(self, halt: Halt) -> Stop | None:
        """Turn a halt into a stop, or None to go on; counts hits and drops what was temporary."""
        if halt.kind == "end":
            end = self._timeline.end
            return Stop("end", end.text if end else "", self.vcpu_of(halt))
        if halt.kind == "interrupted":
            return Stop("interrupted", "interrupted")
        hit = [point for point in self.hits(halt) if self._counts(point)]
        if not hit:
            return None
        for point in hit:
            if point.temporary:
                self._points.remove(point)
        lines = [self.hit_text(point, halt) for point in hit]
        return Stop(kind_of(hit[0]), "\n".join(lines), self.doer(halt), tuple(hit))

    def _counts(self, point: Point) -> bool:
        point.hits += 1
        if point.ignore:
            point.ignore -= 1
            return False
        return True

    def vcpu_of(self, halt: Halt) -> int | None:
        """Say which vcpu a halt is about; None for a value that changed: whoever did it."""
        if halt.kind == "watching" and halt.by is StoppedBy.WATCH:
            return None
        return self.doer(halt)

    def doer(self, halt: Halt) -> int | None:
        """Say whose guest or task was at work; None for a hardware thread, or nobody."""
        nobody = halt.last in (StepKind.NONE, StepKind.TURN)
        if halt.by is StoppedBy.WATCH and nobody:  # by hand, or a delivery
            return None
        index = self._host.engine.guest(self._host.machine, halt.actor)
        if index is None and halt.actor < len(self._host.vcpus):
            return halt.actor
        return index

    def hits(self, halt: Halt) -> list[Point]:
        """List the enabled points that a halt is about and whose conditions hold."""
        found: list[Point] = []
        vcpu = self.vcpu_of(halt)
        if halt.kind == "breakpoint" and vcpu is not None:
            here = self._host.vcpus[vcpu]
            real = self._host.words[here.arch.nia] & REAL
            found += [
                point
                for point in self.enabled(Breakpoint)
                if point.address == real and point.vm == here.kvm.number
            ]
        elif halt.by is StoppedBy.WATCH:
            for point in self.enabled(Watchpoint):
                if point.expression is not None and self._watch_changed(point):
                    found.append(point)
        elif halt.kind == "watching":
            found += [
                point for point in self.enabled(Catchpoint) if self._caught(point, halt, vcpu)
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
        index = self._host.engine.guest(self._host.machine, actor)
        return point.vcpu is None or point.vcpu == (actor if index is None else index)

    def _accessed(self, vcpu: int) -> list[Point]:
        """List the points whose bytes a vcpu's next instruction accesses."""
        machine, words, here = self._host.machine, self._host.words, self._host.vcpus[vcpu]
        word = machine.fetch(vcpu)
        if word is None:
            return []
        found = accesses.access(word, lambda n: words[here.gpr(n)], words[here.arch.xer])
        if found is None:
            return []
        first = found.address & REAL
        return [
            point
            for point in self.enabled(Accesspoint)
            if (point.stores if found.store else point.loads)
            and point.vm == here.kvm.number
            and first < point.address + point.nbytes
            and point.address < first + found.nbytes
        ]

    def _watch_changed(self, point: Watchpoint) -> bool:
        assert point.expression is not None
        try:
            value, _ = self.look(point.expression, point.scope)
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
            word = None if vcpu is None else self._host.machine.fetch(vcpu)
            return word is not None and any(word & mask == match for mask, match in point.words)
        if point.kind == "hcall":
            if halt.which != Reason.HCALL or vcpu is None:
                return False
            number = self._host.words[self._host.vcpus[vcpu].gpr(3)]
            return not point.numbers or number in point.numbers
        if point.kind == "step":
            if not point.operation:
                return halt.last is StepKind.HOST
            last = halt.last in (StepKind.HOST, StepKind.EXIT)
            return last and point.operation in self._next_operation(halt.actor)
        return halt.which in point.numbers

    def _next_operation(self, actor: int) -> str:
        """Write what an actor is about to do in host code; empty if that is to run its guest."""
        host = self._host
        node = host.words[host.node_ref(actor)]
        if not node or host.engine.guest(host.machine, actor) is not None:
            return ""
        return self._refs.operation(host.automaton.op(node))

    def _applies(self, point: Point, vcpu: int | None) -> bool:
        if point.vcpu is not None and vcpu is not None and vcpu != point.vcpu:
            return False
        if point.condition is None:
            return True
        scope = self._names.vcpu if vcpu is None else vcpu
        try:
            return bool(self.look(point.condition, scope)[0])
        except ExpressionError:
            return True  # better to stop once too often: the user sees the expression

    def _hcall(self, halt: Halt) -> str:
        """Name the hcall for which a guest was just left."""
        vcpu = self.vcpu_of(halt)
        number = self._host.words[self._host.vcpus[vcpu or 0].gpr(3)]
        return f"{HCALL_NAMES[number]} {number:#x}" if number in HCALL_NAMES else f"{number:#x}"

    def hit_text(self, point: Point, halt: Halt) -> str:
        """Say what a point has stopped for."""
        if isinstance(point, Breakpoint):
            return f"breakpoint {point.number}, {point.text}"
        if isinstance(point, Accesspoint):
            return f"watchpoint {point.number}, before an access to {point.text}"
        if isinstance(point, Watchpoint):
            return f"watchpoint {point.number}: {point.text.replace(':', '', 1)}"
        if isinstance(point, Catchpoint) and point.kind == "hcall":
            return f"catchpoint {point.number}, hcall {self._hcall(halt)}"
        what = {
            StoppedBy.VECTOR: lambda n: f"interrupt {VECTOR_NAMES.get(n, 'at')} {n:#x}",
            StoppedBy.EXIT: lambda n: f"exit {Reason(n).name}",
            StoppedBy.EVENT: lambda n: f"event {BY_NUMBER[n].title}",
        }.get(halt.by)
        return f"catchpoint {point.number}, {what(halt.which) if what else point.text}"


def kind_of(point: Point) -> StopKind:
    """The kind of a stop at a point."""
    if isinstance(point, Breakpoint):
        return "breakpoint"
    return "watch" if isinstance(point, Watchpoint | Accesspoint) else "catch"
