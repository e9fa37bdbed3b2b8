"""A search over a whole guest under the hypervisor: how it can end.

The guest is loaded into its machine by whoever made that; the search begins when every vcpu is in
the guest, or before that where they have to take turns. What the guest prints is no part of a
state: it cannot read that back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from emu.core._emu import lib
from emu.errors import ConfigError
from emu.explore.footprint import Analysis
from emu.explore.litmus.laboratory import warm_up
from emu.explore.litmus.stage import IDLE, places_of
from emu.explore.points import OWN, Point, PointKind, classify
from emu.explore.schedule import short_text
from emu.explore.search import MAX_ACTORS, Algorithm, Search, Show, Term
from emu.hv.ops import Await
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emu.asm import Program
    from emu.explore.search import Choice, Ended, Facts, Options
    from emu.hv.host import Vm

FIRST_CODE: Final = 0x3000  # below lie the interrupt vectors
MAX_PREEMPTIONS: Final = 64
EE: Final = mask("MSR", "EE")


@dataclass(frozen=True, slots=True)
class Ending:
    """One way for the guest to end.

    key: that in words. rule: the key without registers. count: of end states, or of runs where the
    search sampled. schedule: one that leads there. bad: what is wrong with it, or empty.
    """

    key: str
    count: int
    schedule: str
    bad: str = ""
    rule: str = ""


@dataclass(slots=True)
class Explored:
    """What a search found. cut: what bounded it, in words; empty when it was exhaustive."""

    endings: list[Ending] = field(default_factory=list)
    facts: Facts | None = None
    cut: str = ""


def explore(
    make: Callable[[], Vm],
    program: Program,
    options: Options,
    registers: Mapping[str, Callable[[Vm], int]],
    progress: Callable[[Facts], bool] | None = None,
) -> Explored:
    """Search a guest's interleavings.

    make: a new machine with the guest loaded. registers: what to show besides, by name: a ref.
    When the states of the options do not suffice, the number of preemptions is bounded instead, by
    0, 1, 2, ..., and the last bound that could be searched whole is the result. Raises ConfigError,
    SearchRefusedError.
    """
    if options.algorithm is Algorithm.DPOR:
        raise ConfigError("dpor needs runs that end, and a guest may loop for ever: use dfs or bfs")
    found = _once(make, program, options, registers, progress)
    unbounded = options.algorithm is Algorithm.DFS and options.preemptions is None
    if not unbounded or not found.cut.startswith("cut off at"):
        return found
    whole, seen = found, [found]
    for bound in range(MAX_PREEMPTIONS):
        bounded = replace(options, preemptions=bound)
        now = _once(make, program, bounded, registers, progress)
        seen.append(now)
        if now.cut.startswith(("cut off at", "stopped")):
            break
        whole = now
    return _with_all(whole, seen)


def _with_all(whole: Explored, seen: list[Explored]) -> Explored:
    """What one search found, and what others saw besides before they were cut off."""
    endings = {ending.key: ending for ending in whole.endings}
    for other in seen:
        for ending in other.endings:
            endings.setdefault(ending.key, ending)
    return replace(whole, endings=[endings[key] for key in sorted(endings)])


def _once(
    make: Callable[[], Vm],
    program: Program,
    options: Options,
    registers: Mapping[str, Callable[[Vm], int]],
    progress: Callable[[Facts], bool] | None,
) -> Explored:
    stage = GuestStage(make(), program, options, registers)
    ended = stage.search.run(progress)
    return stage.explored(ended)


class GuestStage:
    """A machine with the guest, and the search over it."""

    def __init__(
        self,
        vm: Vm,
        program: Program,
        options: Options,
        registers: Mapping[str, Callable[[Vm], int]],
    ) -> None:
        host = vm.host
        if len(host.actors) > MAX_ACTORS:
            raise ConfigError(
                f"a search has at most {MAX_ACTORS} vcpus and hardware threads, "
                f"got {len(host.actors)}"
            )
        self.host = host
        self._vcpus = vm.vcpus
        self._names = list(registers)
        machine = host.machine
        new = machine.snapshot()
        try:
            warm_up(host)
        except ConfigError:  # more vcpus than can be in the guest at once
            machine.restore(new)
        steps = replace(options, delayed=True, landing=True, ample=False)
        self.search = search = Search(machine, steps, host.engine, host.automaton.expand)
        search.code(Analysis(_points(program), {}))
        for vcpu in vm.vcpus:
            search.ignore(machine.ref("vcpu", vcpu.index, "cfar"))
            for ref in (vcpu.arch.exit_word, vcpu.arg, vcpu.result, vcpu.trap):
                search.scratch(vcpu.index, ref)
            places = places_of(search, vcpu)
            ceded = places.ceded or Term(vcpu.ceded)
            ee = Term(vcpu.arch.msr, EE)
            for doorbell in places.doorbells:
                search.test(vcpu.index, *doorbell, ee)
            for waker in (*places.doorbells, *places.wakers):
                search.test(vcpu.index, *waker, ceded)
        for actor in range(len(host.actors)):
            search.ignore(host.node_ref(actor) + 1)  # the slice
        machine_refs = host.machine_refs
        shown = [machine_refs.stopped, machine_refs.status]
        shown += [ref(vm) for ref in registers.values()]
        shown += [vcpu.arch.dec_armed for vcpu in vm.vcpus]
        search.show([Show(lib.EMU_SHOW_WORD, ref) for ref in shown])
        search.show([Show(lib.EMU_SHOW_END_ANY, vcpu.index) for vcpu in vm.vcpus])
        search.show(
            [Show(lib.EMU_SHOW_WORD, host.node_ref(actor)) for actor in range(len(host.actors))]
        )

    def explored(self, ended: Ended) -> Explored:
        """The outcomes, those of one key together, in the order of their keys."""
        merged: dict[str, Ending] = {}
        for found in ended.outcomes:
            rule, bad = self.judge(found.values)
            key = rule + self._registers(found.values)
            known = merged.get(key)
            if known is None:
                merged[key] = Ending(key, found.times, self._text(found.schedule), bad, rule)
            else:
                merged[key] = replace(known, count=known.count + found.times)
        cut = ended.cut
        if not cut and not self.search.options.timers:
            cut = "exhaustive, but time never passed"
        return Explored([merged[key] for key in sorted(merged)], ended.facts, cut)

    def _text(self, schedule: tuple[Choice, ...]) -> str:
        return short_text(self.search.refined(schedule))

    def _registers(self, values: Sequence[int]) -> str:
        shown = values[2 : 2 + len(self._names)]
        return "".join(f" {n}={v:#x}" for n, v in zip(self._names, shown, strict=True))

    def judge(self, values: Sequence[int]) -> tuple[str, str]:
        """How an end state ended, and what is wrong with that, or empty."""
        stopped, status, *rest = values
        del rest[: len(self._names)]
        count = len(self._vcpus)
        armed, lost, nodes = rest[:count], rest[count : 2 * count], rest[2 * count :]
        if stopped:
            bad = f"the guest reports failure, status {status}" if status else ""
            return f"exit {status}", bad
        names = [vcpu.name for vcpu, is_lost in zip(self._vcpus, lost, strict=True) if is_lost]
        if names:
            who = " ".join(names)
            return f"lost wakeup: {who}", f"{who} waits for ever for what is pending for it"
        if any(armed) or self._waits_for_time(nodes):
            return "waits for time to pass", ""
        return "deadlock", self._stuck(nodes) or "no vcpu can ever run again"

    def _waits_for_time(self, nodes: list[int]) -> bool:
        """Whether host code waits for a deadline, which the search did not let come."""
        ops = (self.host.automaton.op(node) for node in nodes if node)
        return any(isinstance(op, Await) and op.deadline and not op.conditions for op in ops)

    def _stuck(self, nodes: list[int]) -> str:
        """Which host code waits for what it is owed, if any does."""
        for actor, node in enumerate(nodes):
            if node and isinstance(self.host.automaton.op(node), Await):
                places = self.host.automaton.where(node)
                functions = [place.function.rsplit(".", 1)[-1] for place in places]
                if IDLE.isdisjoint(functions):
                    return f"{self.host.actor_name(actor)} waits for ever in {functions[-1]}"
        return ""


def _points(program: Program) -> dict[int, Point]:
    """Where threads can be stopped: every word that may be an instruction.

    A guest with interrupt handlers may have them anywhere, so each of its instructions may have to
    let one in front.
    """
    words: dict[int, int] = {}
    for segment in program.segments:
        if segment.executable:
            data = segment.data[: len(segment.data) & ~3]
            for at in range(0, len(data), 4):
                word = int.from_bytes(data[at : at + 4], program.endian)
                words[segment.address + at] = word
    points = {address: classify(word) for address, word in words.items()}
    if any(word for address, word in words.items() if address < FIRST_CODE):
        points = {a: OWN if p.kind is PointKind.PRIVATE else p for a, p in points.items()}
    return points
