"""The machine that a litmus test runs on, bare or with a hypervisor, and a search over it.

A stage knows where the machine keeps what a test asks about: registers, locations, and for each
thread the doorbells, prods and interrupts that are pending for it, wherever they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from emu.core._emu import lib
from emu.core.engine import ACTOR_WORDS
from emu.explore.agents import post
from emu.explore.footprint import Analysis
from emu.explore.litmus.laboratory import BARE_GENERATION, Laboratory
from emu.explore.litmus.model import (
    Ghost,
    GhostKind,
    Location,
    Observable,
    Register,
    observables,
)
from emu.explore.liveness import register_bit, with_dead
from emu.explore.points import PointKind
from emu.explore.schedule import short_text
from emu.explore.search import NO_BOUND, Search, Show, Term, Told
from emu.hv.ops import Await, CompareAndSet
from emu.isa.disasm import disassemble
from emu.isa.msr import mask
from emu.isa.table import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emu.core.machine import Machine
    from emu.explore.litmus.guest import Guest
    from emu.explore.search import Choice, Options
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

SF_ME = mask("MSR", "SF", "ME")
EE, LE = mask("MSR", "EE"), mask("MSR", "LE")
DOORBELL = 0xA00
CFAR = 28

# Where a host thread may stand for ever: waiting for something that nobody owes it.
IDLE = frozenset({
    "kvmppc_vcore_blocked", "kvmppc_wait_for_exec", "offline_thread", "sched_in", "_nap",
    "_nap_without_vcpu", "wait_in_userspace",
})  # fmt: skip

# Kinds of points that need a hypervisor on a host without native doorbells.
_DOORBELL_POINTS = frozenset({PointKind.SEND, PointKind.CLEAR, PointKind.DPDES})


@dataclass(slots=True)
class Places:
    """Where the machine keeps what is pending for one thread, each place a few terms.

    doorbells: end a cede, and interrupt when MSR[EE] is 1. wakers: end a cede. ceded: H_CEDE is
    in progress. signal: userspace wants it, and has not got it. runs: it is not in userspace.
    """

    doorbells: list[tuple[Term, ...]] = field(default_factory=list)
    wakers: list[tuple[Term, ...]] = field(default_factory=list)
    ceded: Term | None = None
    signal: tuple[Term, ...] = ()
    runs: tuple[Term, ...] = ()


@dataclass(slots=True)
class Stage:
    """A search that is ready to run. watched: what it shows, in this order.

    clocked: its guest sets a decrementer.
    """

    guest: Guest
    search: Search
    watched: list[Observable]
    host: Host | None = None
    clocked: bool = False

    @property
    def at_end(self) -> int:
        """Where, among the values that the search shows, is a 1 in end states and only there."""
        return len(self.watched) + (len(self.host.actors) if self.host else 0)

    def schedule_text(self, schedule: Iterable[Choice]) -> str:
        """A schedule of this search as a line that can be replayed anywhere."""
        return short_text(self.search.refined(schedule))

    def trapped(self, values: Sequence[int]) -> str:
        """Who took which interrupt that nobody handles, in words; empty if nobody did.

        values: everything that the search shows of an end state.
        """
        what, nia = values[self.at_end + 1 : self.at_end + 3]
        if not what:
            return ""
        vcpu, vector = divmod(what, 1 << 32)
        text = disassemble(self.guest.words.get(nia, 0), nia)
        where = f"{nia:#x} ({' '.join(text.split())})" if nia in self.guest.words else f"{nia:#x}"
        return f"thread {vcpu - 1} took interrupt {vector:#x} at {where}, and nobody handles it"

    def overslept(self, values: Sequence[int]) -> str:
        """Who sleeps for ever with its decrementer armed, in words; empty if nobody does.

        values: everything that the search shows of an end state.
        """
        if not self.clocked:
            return ""
        time, *rest = values[self.at_end + 3 : -1]
        armed, asleep = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        for thread, (is_armed, sleeps) in enumerate(zip(armed, asleep, strict=True)):
            if is_armed and sleeps and not time:
                return f"thread {thread} sleeps for ever, and its decrementer does not wake it"
        return ""

    def stuck(self, nodes: Sequence[int]) -> str:
        """Who waits for ever for what is owed to him, in words; empty if nobody does.

        nodes: where each actor of the host stands in an end state.
        """
        if self.host is None:
            return ""
        for actor, node in zip(range(len(self.host.actors)), nodes, strict=False):
            # Of what can be in the way of an end state, only a lock that is held is no Await.
            if not node or not isinstance(self.host.automaton.op(node), Await | CompareAndSet):
                continue
            functions = self.host.automaton.functions(node)
            if IDLE.isdisjoint(function.rsplit(".", 1)[-1] for function in functions):
                name = self.host.actor_name(actor)
                return f"{name} waits for ever in {functions[-1]}"
        return ""


def needs_hypervisor(guest: Guest, host: str) -> bool:
    """Whether the test can leave the guest on this host."""
    if guest.agents or any(_may_exit(word) for word in guest.words.values()):
        return True
    return host != "power8" and not _DOORBELL_POINTS.isdisjoint(guest.kinds)


@lru_cache(maxsize=1 << 16)
def _may_exit(word: int) -> bool:
    """Whether an instruction is an hcall or reads TIR or is none that the bare machine knows."""
    sc_1 = word == 0x44000022
    tir = word & 0xFC1FFFFE == 0x7C1E6AA6
    variant = decode(word)
    return sc_1 or tir or variant is None or variant.insn.since > BARE_GENERATION


def prepare(
    guest: Guest, options: Options, host: str, laboratory: Laboratory | None = None
) -> Stage:
    """Take a machine of the laboratory, or build one, and make a search over it."""
    laboratory = laboratory or Laboratory()
    if needs_hypervisor(guest, host):
        return hosted_stage(guest, options, laboratory.hosted(guest, host))
    return bare_stage(guest, options, laboratory.bare(guest))


def bare_stage(guest: Guest, options: Options, machine: Machine) -> Stage:
    """Without a hypervisor: every thread holds its vcpu for ever."""
    load(machine, guest)
    if not guest.may_loop:
        options = replace(options, livelocks=False)
    if options.timers and any(_writes_dec(word) for word in guest.words.values()):
        options = replace(options, ample=False)  # an interrupt that no thread's code shows
    search = Search(machine, options)
    shape = (len(guest.entries), guest.smt)
    known = _BARE.setdefault(machine, {})
    if shape not in known:
        places = []
        for index in range(len(guest.entries)):
            first = index - index % guest.smt
            dpdes = Term(machine.ref("subproc", first, "dpdes"), 1 << index - first)
            places.append(Places(doorbells=[(dpdes,), (Term(search.outbox, 1 << index),)]))
        known[shape] = _Fixed(places, Told(tests=_tests(machine, places)))
    return _finished(guest, machine, search, known[shape], None)


def hosted_stage(guest: Guest, options: Options, host: Host) -> Stage:
    """Under a hypervisor, which stands where the search begins."""
    machine = host.machine
    load(machine, guest)
    if guest.agents:
        post(host, guest.agents)
    search = Search(machine, options, host.engine, host.automaton.expand)
    for vcpu in host.vcpus:
        for ref in (vcpu.arch.exit_word, vcpu.arg, vcpu.result, vcpu.trap):
            search.scratch(vcpu.index, ref)
    if options.locks:
        name_locks(host, search)
    if host.generation.native_doorbells:
        # Messages arrive in it and guests clear it, even where one thread's host code alone looks.
        for cpu in host.cpus:
            search.share(cpu.subproc.dpdes)
    if host not in _HOSTED:
        places = [places_of(search, vcpu) for vcpu in host.vcpus]
        actors = range(len(host.actors))
        slices = [machine.area("actor") + ACTOR_WORDS * actor + 1 for actor in actors]
        _HOSTED[host] = _Fixed(places, Told(slices, _tests(machine, places)))
    return _finished(guest, machine, search, _HOSTED[host], host)


def name_locks(host: Host, search: Search) -> None:
    """Tell the search of the host's locks: each vcore's, and the cores that vcores run on."""
    for vcore in host.vcores:
        search.lock(vcore.lock)
    if host.generation.independent_threads:
        return
    for running in dict.fromkeys(vcore.threads[0].running for vcore in host.vcores):
        number = host.words[running]
        runner = host.words[host.vcores[number - 1].runner] if number else 0
        search.lock(running, runner - 1 if runner else NO_BOUND, spins=False)


def places_of(search: Search, vcpu: Vcpu) -> Places:
    """Where the hypervisor and the hardware keep what is pending for a vcpu."""
    doorbells: list[tuple[Term, ...]] = [(Term(vcpu.doorbell_request),)]
    if vcpu.kvm.generation.independent_threads:
        doorbells.append((Term(vcpu.pcpu.subproc.dpdes, 1),))
    else:
        cpu, bit = vcpu.vcore.threads[vcpu.ptid], 1 << vcpu.ptid
        doorbells += [
            # The saved image says something only while the vcore is not on the hardware.
            (Term(vcpu.vcore.dpdes, bit), Term(vcpu.vcore.in_guest, zero=True)),
            (Term(cpu.subproc.dpdes, bit),),
            (Term(search.outbox, 1 << cpu.number),),
        ]
    wakers: list[tuple[Term, ...]] = [(Term(vcpu.prodded),), (Term(vcpu.pending_exceptions),)]
    runs = Term(vcpu.in_userspace, zero=True)
    signal = (Term(vcpu.request_exit), runs)
    return Places(doorbells, wakers, Term(vcpu.ceded), signal, (runs,))


class _Fixed(NamedTuple):
    """What a test on a machine cannot change: where things are pending, and what that means."""

    places: list[Places]
    told: Told


_BARE: Final[WeakKeyDictionary[Machine, dict[tuple[int, int], _Fixed]]] = WeakKeyDictionary()
_HOSTED: Final[WeakKeyDictionary[Host, _Fixed]] = WeakKeyDictionary()


def _tests(machine: Machine, places: Sequence[Places]) -> Iterator[tuple[int, Sequence[Term]]]:
    """The tests of what is pending, of who is blocked and of what is lost."""
    for index, place in enumerate(places):
        ee = Term(machine.ref("vcpu", index, "msr"), EE)
        for doorbell in place.doorbells:
            yield _group(GhostKind.PEND, index), doorbell
            yield _group(GhostKind.LOST, index), (*doorbell, ee, *place.runs)
        if place.signal:
            yield _group(GhostKind.LOST, index), place.signal
        if place.ceded is not None:
            yield _group(GhostKind.BLOCKED, index), (place.ceded, *place.runs)
            for waker in (*place.doorbells, *place.wakers):
                yield _group(GhostKind.LOST, index), (*waker, place.ceded, *place.runs)
    # True in every state, so shown in every end state.
    yield len(_GROUPS) * len(places), (Term(0, 0, zero=True),)


def _finished(
    guest: Guest, machine: Machine, search: Search, fixed: _Fixed, host: Host | None
) -> Stage:
    """Tell the search of the code and of everything that the test looks at."""
    places = fixed.places
    search.tell(fixed.told)
    # Ample sets, which need to know what is to come, are for machines without a hypervisor.
    analysis = guest.analysis() if host is None else Analysis(guest.points, {})
    points = with_dead(analysis.points, guest.words, guest.handlers, _looked_at(guest))
    search.code(replace(analysis, points=points))
    if not any(_reads_spr(word, CFAR) for word in guest.words.values()):
        search.ignore(*(machine.ref("vcpu", i, "cfar") for i in range(len(machine.vcpu))))
    for rule in guest.test.prohibitions:
        for observable in observables(rule.condition):
            _share(search, guest, places, observable)
    watched = guest.test.watched
    watched += [
        Ghost(GhostKind.LOST, i)
        for i in range(len(places))
        if Ghost(GhostKind.LOST, i) not in watched
    ]
    shown = [_show(machine, guest, search, o) for o in watched]
    if host is not None:
        nodes = range(machine.area("actor"), machine.area("actor") + ACTOR_WORDS * len(host.actors))
        shown += [Show(lib.EMU_SHOW_WORD, node) for node in nodes[::ACTOR_WORDS]]
    shown.append(Show(lib.EMU_SHOW_END_ANY, len(_GROUPS) * len(places)))
    shown += [Show(lib.EMU_SHOW_WORD, search.trap + i) for i in (0, 1)]
    clocked = any(_writes_dec(word) for word in guest.words.values())
    if clocked:
        armed = [machine.ref("vcpu", index, "dec_armed") for index in range(len(places))]
        shown.append(Show(lib.EMU_SHOW_TIME))
        shown += [Show(lib.EMU_SHOW_WORD, ref) for ref in armed]
        shown += [Show(lib.EMU_SHOW_ANY, _group(GhostKind.BLOCKED, i)) for i in range(len(places))]
    shown.append(Show(lib.EMU_SHOW_SPENT))
    search.show(shown)
    return Stage(guest, search, watched, host, clocked)


def _share(search: Search, guest: Guest, places: list[Places], observable: Observable) -> None:
    """Make every change of what a prohibition watches a step of its own."""
    match observable:
        case Location(name=name):
            search.share_cell(guest.addresses[name])
        case Ghost(kind=GhostKind.PEND, thread=thread):
            for terms in places[thread].doorbells:
                for term in terms:
                    search.share(term.ref)
        case _:
            pass  # a thread's own registers, and what is judged in end states only


def _prohibited(guest: Guest) -> Iterator[Observable]:
    """What prohibitions name."""
    for rule in guest.test.prohibitions:
        yield from observables(rule.condition)


def _looked_at(guest: Guest) -> dict[int, int]:
    """The registers of its thread that the test looks at, by address of code."""
    masks = [0] * len(guest.entries)
    for observable in {*guest.test.named, *_prohibited(guest)}:
        if isinstance(observable, Register):
            place = guest.renamed.get(observable, observable)
            if place.name != "msr":
                masks[place.thread] |= 1 << register_bit(place.name)
    spans = zip(guest.entries, guest.ends, masks, strict=True)
    return {address: each for first, end, each in spans for address in range(first, end + 1, 4)}


def _writes_dec(word: int) -> bool:
    """Whether it is mtspr DEC."""
    return word & 0xFC1FFFFE == 0x7C1603A6


def _reads_spr(word: int, number: int) -> bool:
    field_ = (number & 31) << 5 | number >> 5
    return word >> 26 == 31 and word >> 1 & 0x3FF == 339 and word >> 11 & 0x3FF == field_


_GROUPS = (GhostKind.PEND, GhostKind.BLOCKED, GhostKind.LOST)


def _group(kind: GhostKind, thread: int) -> int:
    return len(_GROUPS) * thread + _GROUPS.index(kind)


def load(machine: Machine, guest: Guest) -> None:
    """Put code, data and registers where the guest says."""
    for address, code in _code(guest):
        machine.write(0, address, code)
    for address, data in guest.memory.items():
        machine.write(0, address, data)
    for index, vcpu in enumerate(machine.vcpu):
        _set_gprs(vcpu.gpr, guest.gpr[index])
        vcpu.nia = guest.entries[index]
        vcpu.lr = guest.ends[index]
        vcpu.msr = SF_ME | (EE if guest.ee[index] else 0) | (LE if guest.little else 0)
        if guest.sprg0:
            vcpu.sprg0 = guest.sprg0[index]


def _code(guest: Guest) -> Iterator[tuple[int, bytes]]:
    """Code words at consecutive addresses together."""
    start, code = 0, bytearray()
    for address, word in guest.words.items():
        if code and address != start + len(code):
            yield start, bytes(code)
            code.clear()
        if not code:
            start = address
        code += word.to_bytes(4, guest.order)
    if code:
        yield start, bytes(code)


def _set_gprs(gpr: memoryview, values: Iterable[int]) -> None:
    for register, value in enumerate(values):
        if value:
            gpr[register] = value


_SPECIAL = ("cr", "lr", "ctr", "xer", "msr")


def _show(machine: Machine, guest: Guest, search: Search, observable: Observable) -> Show:
    match observable:
        case Register():
            place = guest.renamed.get(observable, observable)
            if place.name in _SPECIAL:
                return Show(lib.EMU_SHOW_WORD, machine.ref("vcpu", place.thread, place.name))
            first = machine.ref("vcpu", place.thread, "gpr")
            return Show(lib.EMU_SHOW_WORD, first + int(place.name[1:]))
        case Location(name=name):
            nbytes = guest.types[observable].nbytes
            return Show(
                lib.EMU_SHOW_MEMORY, guest.addresses[name], nbytes=nbytes, little=guest.little
            )
        case Ghost(kind=GhostKind.TAKEN, thread=thread):
            return Show(lib.EMU_SHOW_WORD, search.count(thread, DOORBELL))
        case Ghost(kind=GhostKind.TRAP, thread=thread, vector=vector):
            return Show(lib.EMU_SHOW_WORD, search.count(thread, vector))
        case Ghost(kind=GhostKind.PEND, thread=thread):
            return Show(lib.EMU_SHOW_ANY, _group(GhostKind.PEND, thread))
        case Ghost(kind=kind, thread=thread):
            return Show(lib.EMU_SHOW_END_ANY, _group(kind, thread))
