"""The machine that a litmus test runs on, bare or with a hypervisor, and a search over it.

A stage knows where the machine keeps what a test asks about: registers, locations, and for each
thread the doorbells, prods and interrupts that are pending for it, wherever they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.core._emu import lib
from emu.core.engine import ACTOR_WORDS
from emu.core.machine import Machine
from emu.errors import ConfigError
from emu.explore.agents import post
from emu.explore.litmus.guest import MEMORY, Guest
from emu.explore.litmus.model import (
    Ghost,
    GhostKind,
    Location,
    Observable,
    Register,
    observables,
)
from emu.explore.points import PointKind
from emu.explore.schedule import short_text
from emu.explore.search import ChoiceKind, Options, Search, Show, Term
from emu.hv.host import Host
from emu.hv.ops import Await
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emu.explore.search import Choice
    from emu.hv.kvm import Vcpu

SF_ME = mask("MSR", "SF", "ME")
EE, LE = mask("MSR", "EE"), mask("MSR", "LE")
ILE = mask("LPCR", "ILE")
ALL = (1 << 64) - 1
DOORBELL = 0xA00
CFAR = 28
MAX_WARM_UP = 100_000

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
    in progress.
    """

    doorbells: list[tuple[Term, ...]] = field(default_factory=list)
    wakers: list[tuple[Term, ...]] = field(default_factory=list)
    ceded: Term | None = None


@dataclass(slots=True)
class Stage:
    """A search that is ready to run. watched: what it shows, in this order."""

    guest: Guest
    search: Search
    watched: list[Observable]
    host: Host | None = None

    def schedule_text(self, schedule: Iterable[Choice]) -> str:
        """A schedule of this search as a line that can be replayed anywhere."""
        return short_text(self.search.refined(schedule))

    def stuck(self, nodes: Sequence[int]) -> str:
        """Who waits for ever for what is owed to him, in words; empty if nobody does.

        nodes: where each actor of the host stands in an end state.
        """
        if self.host is None:
            return ""
        for actor, node in enumerate(nodes):
            if not node or not isinstance(self.host.automaton.op(node), Await):
                continue
            places = self.host.automaton.where(node)
            if IDLE.isdisjoint(place.function.rsplit(".", 1)[-1] for place in places):
                name = self.host.actor_name(actor)
                return f"{name} waits for ever in {places[-1].function}"
        return ""


def needs_hypervisor(guest: Guest, host: str) -> bool:
    """Whether the test can leave the guest on this host."""
    if guest.agents or any(_may_exit(word) for word in guest.words.values()):
        return True
    return host != "power8" and not _DOORBELL_POINTS.isdisjoint(guest.kinds)


def _may_exit(word: int) -> bool:
    """Whether an instruction is an hcall or reads TIR or is one that nobody knows."""
    sc_1 = word == 0x44000022
    tir = word & 0xFC1FFFFE == 0x7C1E6AA6
    return sc_1 or tir or word == 0


def prepare(guest: Guest, options: Options, host: str) -> Stage:
    """Build the machine and a search over it."""
    if needs_hypervisor(guest, host):
        return hosted_stage(guest, options, host)
    return bare_stage(guest, options)


def bare_stage(guest: Guest, options: Options) -> Stage:
    """Without a hypervisor: every thread holds its vcpu for ever."""
    count = len(guest.entries)
    smt = guest.smt
    machine = Machine(generation=8, nvcpus=count, nthreads=count + -count % smt)
    machine.new_memory(0, MEMORY)
    for number, thread in enumerate(machine.thread):
        thread.vcpu = number + 1 if number < count else 0
        thread.tir = number % smt
        thread.subproc = number - number % smt
        thread.hfscr = ALL
        thread.lpcr = ILE if guest.little else 0
        machine.subproc[number].nthreads = smt
    load(machine, guest)
    search = Search(machine, options)
    places = []
    for index in range(count):
        first = index - index % smt
        dpdes = Term(machine.ref("subproc", first, "dpdes"), 1 << index - first)
        places.append(Places(doorbells=[(dpdes,), (Term(search.outbox, 1 << index),)]))
    return _finished(guest, machine, search, places, None)


def hosted_stage(guest: Guest, options: Options, model: str) -> Stage:
    """Under the hypervisor of a host.

    The search begins when every vcpu is in the guest, unless the test asks for a cold start.
    """
    count = len(guest.entries)
    subcores = _subcores(model, guest.smt)
    vcores = -(-count // guest.smt)
    per_core = 4 if model == "power9" else subcores * guest.smt
    cores = -(-count // per_core) if model == "power9" else -(-vcores // subcores)
    host = Host(model, cores=cores, subcores=subcores, policy=guest.policy)
    vm = host.create_vm(memory=MEMORY, smt=guest.smt)
    for _ in range(count):
        vm.create_vcpu()
    machine = host.machine
    for vcpu in vm.vcpus:
        if guest.little:
            host.words[vcpu.vcore.lpcr] |= ILE
    load(machine, guest)
    search = Search(machine, options, host.engine, host.automaton.expand)
    for vcpu in vm.vcpus:
        for ref in (vcpu.arch.exit_word, vcpu.arg, vcpu.result, vcpu.trap):
            search.scratch(vcpu.index, ref)
    for actor in range(len(host.actors)):
        search.ignore(machine.area("actor") + ACTOR_WORDS * actor + 1)  # the slice
    stage = _finished(guest, machine, search, [_places(search, v) for v in vm.vcpus], host)
    if not guest.cold:
        _warm_up(search, host)
    if guest.agents:
        post(host, guest.agents)
        search.begin_here()
    return stage


def _subcores(model: str, smt: int) -> int:
    """As many as leave a thread for each vcpu of a vcore: what idles costs states."""
    return {1: 4, 2: 4, 4: 2, 8: 1}[smt] if model == "power8" else 1


def _places(search: Search, vcpu: Vcpu) -> Places:
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
    return Places(doorbells, wakers, Term(vcpu.ceded))


def _warm_up(search: Search, host: Host) -> None:
    """Let host code run until every vcpu is in the guest, each actor in turn, and begin there."""
    search.hold(True)
    search.reset()
    for _ in range(MAX_WARM_UP):
        moves = [
            c for c in search.choices() if c.kind is ChoiceKind.GO and search.stand(c.actor).host
        ]
        if not moves:
            break
        search.take(moves[0])
    search.hold(False)
    entered = {host.words[cpu.thread.vcpu] for cpu in host.cpus}
    if not all(1 + vcpu.index in entered for vcpu in host.vcpus):
        raise ConfigError("the hypervisor does not bring every thread of the test into the guest")
    search.begin_here()


def _finished(
    guest: Guest, machine: Machine, search: Search, places: list[Places], host: Host | None
) -> Stage:
    """Tell the search of the code and of everything that the test looks at."""
    search.code(guest.analysis)
    if not any(_reads_spr(word, CFAR) for word in guest.words.values()):
        for index in range(len(machine.vcpu)):
            search.ignore(machine.ref("vcpu", index, "cfar"))
    for index, place in enumerate(places):
        ee = Term(machine.ref("vcpu", index, "msr"), EE)
        for doorbell in place.doorbells:
            search.test(_group(GhostKind.PEND, index), *doorbell)
            search.test(_group(GhostKind.LOST, index), *doorbell, ee)
        if place.ceded is not None:
            search.test(_group(GhostKind.BLOCKED, index), place.ceded)
            for waker in (*place.doorbells, *place.wakers):
                search.test(_group(GhostKind.LOST, index), *waker, place.ceded)
    for rule in guest.test.prohibitions:
        for observable in observables(rule.condition):
            _share(search, guest, places, observable)
    watched = guest.test.watched
    watched += [
        Ghost(GhostKind.LOST, i)
        for i in range(len(places))
        if Ghost(GhostKind.LOST, i) not in watched
    ]
    search.show([_show(machine, guest, search, o) for o in watched])
    if host is not None:
        search.show(
            [
                Show(lib.EMU_SHOW_WORD, machine.area("actor") + ACTOR_WORDS * actor)
                for actor in range(len(host.actors))
            ]
        )
    return Stage(guest, search, watched, host)


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


def _reads_spr(word: int, number: int) -> bool:
    field_ = (number & 31) << 5 | number >> 5
    return word >> 26 == 31 and word >> 1 & 0x3FF == 339 and word >> 11 & 0x3FF == field_


_GROUPS = (GhostKind.PEND, GhostKind.BLOCKED, GhostKind.LOST)


def _group(kind: GhostKind, thread: int) -> int:
    return len(_GROUPS) * thread + _GROUPS.index(kind)


def load(machine: Machine, guest: Guest) -> None:
    """Put code, data and registers where the guest says."""
    for address, word in guest.words.items():
        machine.write(0, address, word.to_bytes(4, guest.order))
    for address, data in guest.memory.items():
        machine.write(0, address, data)
    for index, vcpu in enumerate(machine.vcpu):
        _set_gprs(vcpu.gpr, guest.gpr[index])
        vcpu.nia = guest.entries[index]
        vcpu.lr = guest.ends[index]
        vcpu.msr = SF_ME | (EE if guest.ee[index] else 0) | (LE if guest.little else 0)
        if guest.sprg0:
            vcpu.sprg0 = guest.sprg0[index]


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
