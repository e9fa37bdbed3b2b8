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
from emu.explore.deepening import deepened, extent_of
from emu.explore.footprint import Analysis
from emu.explore.litmus.guest import END_WORD
from emu.explore.litmus.laboratory import warm_up
from emu.explore.litmus.stage import IDLE, name_locks, places_of
from emu.explore.livelock import RULE as LIVELOCK
from emu.explore.livelock import extent, lasso, sentence
from emu.explore.points import END, OWN, Point, PointKind, classify
from emu.explore.schedule import short_text
from emu.explore.search import MAX_ACTORS, Algorithm, Search, Show, Term
from emu.hv.ops import Await, CompareAndSet
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.asm import Program
    from emu.explore.search import Choice, Ended, Facts, Options, Wrong
    from emu.hv.registers import Expectation, Register
    from emu.hv.vm import Vm

FIRST_CODE: Final = 0x3000  # below lie the interrupt vectors
# The keys of outcomes: how they begin, and what stands before an expectation that is not met.
NEVER: Final = "never "
SPENT: Final = "instruction limit"
NOT: Final = ", not "
EE: Final = mask("MSR", "EE")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look at besides how a guest ends.

    shown: registers that are part of an outcome. expected: what must hold in every end. never: what
    must hold in no state between two steps. end: an address where a vcpu's program is over.
    """

    shown: tuple[Register, ...] = ()
    expected: tuple[Expectation, ...] = ()
    never: tuple[Expectation, ...] = ()
    end: int | None = None

    @property
    def registers(self) -> list[Register]:
        """Every register that it names, once."""
        named = [*self.shown, *(e.register for e in (*self.expected, *self.never))]
        return list(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Ending:
    """One way for the guest to end.

    key: that in words. rule: the key without registers. count: of end states, or of runs where the
    search sampled. schedule: one that leads there. bad: what is wrong with it, or empty. at_end:
    only where nothing more can happen. loop: it does not end: so many of the schedule's last steps
    lead back to where they began.
    """

    key: str
    count: int
    schedule: str
    bad: str = ""
    rule: str = ""
    at_end: bool = True
    loop: int = 0


@dataclass(slots=True)
class Explored:
    """What a search found. cut: what bounded it, in words; empty when it was exhaustive.

    unjudged: it cannot tell whether there are livelocks.
    """

    endings: list[Ending] = field(default_factory=list)
    facts: Facts | None = None
    cut: str = ""
    unjudged: bool = False

    @property
    def extent(self) -> str:
        """How far the search went, in words."""
        return extent(self.cut, unjudged=self.unjudged)


def explore(
    make: Callable[[], Vm],
    program: Program,
    options: Options,
    asked: Asked,
    progress: Callable[[Facts], bool] | None = None,
    go_on: Callable[[], bool] | None = None,
) -> Explored:
    """Search a guest's interleavings.

    make: a new machine with the guest loaded. go_on: see deepened(), which says what happens when
    states or time do not suffice. Raises ConfigError, SearchRefusedError.
    """

    def once(bounded: Options) -> Explored:
        locks = bounded.algorithm is not Algorithm.DPOR
        stage = GuestStage(make(), program, replace(bounded, locks=locks), asked)
        return stage.explored(stage.search.run(progress))

    return _with_all(deepened(once, options, lambda found: found.cut, go_on))


def _with_all(seen: list[Explored]) -> Explored:
    """What one search found, and what others saw besides before they were cut off."""
    whole, *others = seen
    endings = {ending.key: ending for ending in whole.endings}
    for other in others:
        for ending in other.endings:
            endings.setdefault(ending.key, ending)
    cut = extent_of([found.cut for found in seen])
    return replace(whole, endings=[endings[key] for key in sorted(endings)], cut=cut)


class GuestStage:
    """A machine with the guest, and the search over it."""

    def __init__(
        self,
        vm: Vm,
        program: Program,
        options: Options,
        asked: Asked,
    ) -> None:
        host = vm.host
        if len(host.actors) > MAX_ACTORS:
            raise ConfigError(
                f"a search has at most {MAX_ACTORS} vcpus and hardware threads, "
                f"got {len(host.actors)}"
            )
        self.host = host
        self._vcpus = vm.vcpus
        self._asked = asked
        self._registers = asked.registers
        self._symbols = program.symbols
        machine = host.machine
        new = machine.snapshot()
        try:
            warm_up(host)
        except ConfigError:  # more vcpus than can be in the guest at once
            machine.restore(new)
        steps = replace(options, delayed=True, landing=True, ample=False, livelocks=True)
        self.search = search = Search(machine, steps, host.engine, host.automaton.expand)
        points = _points(program)
        if asked.end is not None:
            points[asked.end] = END
            machine.write(vm.number, asked.end, END_WORD.to_bytes(4, program.endian))
        search.code(Analysis(points, {}))
        if options.locks:
            name_locks(host, search)
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
        search.ignore(vm.kvm.console_out)
        search.ignore(*(host.node_ref(actor) + 1 for actor in range(len(host.actors))))  # slices
        machine_refs = host.machine_refs
        shown = [machine_refs.stopped, machine_refs.status]
        shown += [register.ref(vm) for register in self._registers]
        shown += [vcpu.arch.dec_armed for vcpu in vm.vcpus]
        shown += [host.node_ref(actor) for actor in range(len(host.actors))]
        shown += [search.trap, search.trap + 1]
        shown += [vcpu.ceded for vcpu in vm.vcpus]
        if asked.end is not None:
            shown += [vcpu.arch.nia for vcpu in vm.vcpus]
        search.show([Show(lib.EMU_SHOW_SPENT), Show(lib.EMU_SHOW_TIME)])
        search.show([Show(lib.EMU_SHOW_END_ANY, vcpu.index) for vcpu in vm.vcpus])
        search.show([Show(lib.EMU_SHOW_WORD, ref) for ref in shown])
        for rule in asked.never:
            search.never(_judge_code(rule, self._place(rule.register)))

    def explored(self, ended: Ended) -> Explored:
        """The outcomes, those of one key together, in the order of their keys."""
        merged: dict[str, Ending] = {}
        for wrong in ended.violations:
            if wrong.kind == lib.EMU_VIOLATION_LIVELOCK:
                ending = self._livelock(wrong)
                merged[ending.key] = ending
                continue
            text = self._asked.never[wrong.rule].text
            key, words = f"{NEVER}{text}", f"{text} is never true, and was reached"
            schedule = self._text(wrong.schedule)
            merged[key] = Ending(key, 1, schedule, words, key, at_end=False)
        for found in ended.outcomes:
            rule, bad = self.judge(found.values)
            key = rule + self._values(found.values)
            known = merged.get(key)
            if known is None:
                merged[key] = Ending(key, found.times, self._text(found.schedule), bad, rule)
            else:
                merged[key] = replace(known, count=known.count + found.times)
        cut = ended.cut
        if any(ending.rule.startswith(SPENT) for ending in merged.values()):
            bound = f"runs of at most {self.search.options.max_insns} instructions"
            cut = f"{cut}, {bound}" if cut else bound
        if not cut and not self.search.options.timers:
            cut = "exhaustive, but time never passed"
        endings = [merged[key] for key in sorted(merged)]
        return Explored(endings, ended.facts, cut, ended.unjudged and not cut)

    def _livelock(self, wrong: Wrong) -> Ending:
        found = lasso(self.search, self.host, wrong)
        vcpus = (self._vcpus[r.vcpu].name for r in found.runners if r.vcpu is not None)
        names = " ".join(dict.fromkeys(vcpus)) or "host code"
        return Ending(
            f"{LIVELOCK}: {names}",
            1,
            short_text(found.schedule),
            sentence(found.runners, "v", self.host),
            LIVELOCK,
            at_end=False,
            loop=found.loop,
        )

    def _text(self, schedule: Sequence[Choice]) -> str:
        return short_text(self.search.refined(schedule))

    def _place(self, register: Register) -> int:
        """Where, among the values that the search shows, a register is."""
        return 2 + len(self._vcpus) + 2 + self._registers.index(register)

    def _values(self, values: Sequence[int]) -> str:
        shown = self._asked.shown
        return "".join(f" {register}={values[self._place(register)]:#x}" for register in shown)

    def judge(self, values: Sequence[int]) -> tuple[str, str]:
        """How an end state ended, and what is wrong with that, or empty."""
        rule, bad = self._how(values)
        for wanted in self._asked.expected:
            failure = wanted.failure_of(values[self._place(wanted.register)])
            if failure is not None:
                rule, bad = f"{rule}{NOT}{wanted.text}", bad or failure
        return rule, bad

    def forbidden(self, values: Sequence[int]) -> bool:
        """Whether a state is one that must never be."""
        rules = self._asked.never
        return any(rule.failure_of(values[self._place(rule.register)]) is None for rule in rules)

    def _how(self, values: Sequence[int]) -> tuple[str, str]:
        count = len(self._vcpus)
        spent, time, *rest = values
        lost, rest = rest[:count], rest[count:]
        stopped, status, *rest = rest
        rest = rest[len(self._registers) :]
        armed, rest = rest[:count], rest[count:]
        nodes, rest = rest[: len(self.host.actors)], rest[len(self.host.actors) :]
        (trap, nia), rest = rest[:2], rest[2:]
        ceded, places = rest[:count], rest[count:]
        if stopped:
            bad = f"the guest reports failure, status {status}" if status else ""
            return f"exit {status}", bad
        if spent:
            return SPENT, ""
        if trap:
            vcpu, vector = divmod(trap, 1 << 32)
            name, where = self._vcpus[vcpu - 1].name, self._where(nia)
            sentence_ = f"{name} took interrupt {vector:#x} at {where}, and nobody handles it"
            return f"trap {vector:#x}: {name}", sentence_
        names = [vcpu.name for vcpu, is_lost in zip(self._vcpus, lost, strict=True) if is_lost]
        if names:
            who = " ".join(names)
            return f"lost wakeup: {who}", f"{who} waits for ever for what is pending for it"
        here = zip(places, ceded, strict=False)  # who sleeps in its last H_CEDE is not back
        if any(place == self._asked.end and not asleep for place, asleep in here):
            return "exit 0", ""
        if time:
            return "waits for time to pass", ""
        late = [v.name for v, a, c in zip(self._vcpus, armed, ceded, strict=True) if a and c]
        if late:
            who = " ".join(late)
            return f"lost wakeup: {who}", f"{who} sleeps for ever, and no decrementer wakes it"
        return "deadlock", self._stuck(nodes) or "no vcpu can ever run again"

    def _where(self, nia: int) -> str:
        """An address, with the label that it belongs to."""
        labels = [(s.address, name) for name, s in self._symbols.items() if s.address <= nia]
        if not labels:
            return f"{nia:#x}"
        address, name = max(labels)
        return f"{nia:#x} <{name}{f'+{nia - address:#x}' if nia > address else ''}>"

    def _stuck(self, nodes: list[int]) -> str:
        """Which host code waits for what it is owed, if any does."""
        for actor, node in enumerate(nodes):
            if node and isinstance(self.host.automaton.op(node), Await | CompareAndSet):
                places = self.host.automaton.where(node)
                functions = [place.function.rsplit(".", 1)[-1] for place in places]
                if IDLE.isdisjoint(functions):
                    return f"{self.host.actor_name(actor)} waits for ever in {functions[-1]}"
        return ""


def _judge_code(rule: Expectation, place: int) -> list[tuple[int, int, int]]:
    """A comparison as the search in C judges it."""
    equal, less = (lib.EMU_JUDGE_EQUAL, place, rule.value), (lib.EMU_JUDGE_LESS, place, rule.value)
    neither, either = (lib.EMU_JUDGE_NOT, 0, 0), (lib.EMU_JUDGE_OR, 0, 0)
    return {
        "==": [equal],
        "!=": [equal, neither],
        "<": [less],
        ">=": [less, neither],
        "<=": [less, equal, either],
        ">": [less, equal, either, neither],
    }[rule.comparison]


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
