"""The machines that litmus tests run on, made once for every test of the same shape.

To build a machine, to learn the hypervisor's code and to bring every vcpu into the guest takes a
hundred times as long as a small search. None of it depends on the test's program, so a laboratory
does it once and goes back to a snapshot for the next test. Knows nothing of programs and searches'
results.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from emu.core.machine import Machine
from emu.errors import ConfigError
from emu.explore.litmus.guest import MEMORY
from emu.explore.search import ChoiceKind, Options, Search
from emu.hv.host import Host
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.core.machine import Snapshot
    from emu.explore.litmus.guest import Guest
    from emu.hv.policy import Policy

ILE: Final = mask("LPCR", "ILE")
ALL: Final = (1 << 64) - 1
MAX_WARM_UP: Final = 100_000
MAX_SHAPES: Final = 32
BARE_GENERATION: Final = 8

_Shape = TypeVar("_Shape")
_Kept = TypeVar("_Kept")

# Number of threads, virtual threads of a core, whether guests are little-endian.
_BareShape = tuple[int, int, bool]
# Host, virtual threads of a core, number of vcpus, policy, the core that they begin on.
_HostedShape: TypeAlias = "tuple[str, int, int, Policy, int]"


@dataclass(slots=True)
class _Bare:
    machine: Machine
    new: Snapshot


@dataclass(slots=True)
class _Hosted:
    """A host, new; and as it is with every vcpu in the guest, for each byte order."""

    host: Host
    new: Snapshot
    warm: dict[bool, Snapshot] = field(default_factory=dict)


class Laboratory:
    """Machines by their shape, those used last first to be kept.

    What it hands out is as new, and is taken back when a machine of the same shape is asked for
    again. All that the hypervisor's code does is learned once, so that code must not be changed (a
    bug of the zoo switched on or off) while a laboratory is in use: make another.
    """

    def __init__(self) -> None:
        self._bare: OrderedDict[_BareShape, _Bare] = OrderedDict()
        self._hosted: OrderedDict[_HostedShape, _Hosted] = OrderedDict()

    def bare(self, guest: Guest) -> Machine:
        """A machine without a hypervisor: every thread holds its vcpu for ever."""
        shape = (len(guest.entries), guest.smt, guest.little)
        kept = self._bare.get(shape)
        if kept is None:
            machine = _bare_machine(*shape)
            kept = self._bare[shape] = _Bare(machine, machine.snapshot())
        else:
            kept.machine.restore(kept.new)
        _keep_last(self._bare, shape)
        return kept.machine

    def hosted(self, guest: Guest, model: str) -> Host:
        """A host with one VM, its vcpus in the guest unless the test asks for a cold start."""
        shape = (model, guest.smt, len(guest.entries), guest.policy, guest.core)
        kept = self._hosted.get(shape)
        if kept is None:
            host = _host(*shape)
            kept = self._hosted[shape] = _Hosted(host, host.machine.snapshot())
        _keep_last(self._hosted, shape)
        host, little = kept.host, guest.little
        if not guest.cold and little in kept.warm:
            host.machine.restore(kept.warm[little])
            return host
        host.machine.restore(kept.new)
        if little:
            for vcpu in host.vcpus:
                host.words[vcpu.vcore.lpcr] |= ILE
        if not guest.cold:
            warm_up(host)
            kept.warm[little] = host.machine.snapshot()
        return host


def _keep_last(shapes: OrderedDict[_Shape, _Kept], shape: _Shape) -> None:
    """Drop the shape that was not asked for for longest, if there are too many."""
    shapes.move_to_end(shape)
    if len(shapes) > MAX_SHAPES:
        shapes.popitem(last=False)


def _bare_machine(count: int, smt: int, little: bool) -> Machine:
    machine = Machine(generation=BARE_GENERATION, nvcpus=count, nthreads=count + -count % smt)
    machine.new_memory(0, MEMORY)
    for number, thread in enumerate(machine.thread):
        thread.vcpu = number + 1 if number < count else 0
        thread.tir = number % smt
        thread.subproc = number - number % smt
        thread.hfscr = ALL
        thread.lpcr = ILE if little else 0
        machine.subproc[number].nthreads = smt
    return machine


def _host(model: str, smt: int, count: int, policy: Policy, core: int) -> Host:
    cores = core + cores_needed(model, smt, count)
    subcores = _subcores(model, smt)
    host = Host(model, cores=cores, subcores=subcores, idle_cores=core, policy=policy)
    vm = host.create_vm(memory=MEMORY, smt=smt)
    for _ in range(count):
        vm.create_vcpu()
    return host


def cores_needed(model: str, smt: int, count: int) -> int:
    """How many cores bring so many vcpus into the guest at once."""
    if model == "power9":
        return -(-count // 4)
    vcores = -(-count // smt)
    return -(-vcores // _subcores(model, smt))


def _subcores(model: str, smt: int) -> int:
    """As many as leave a thread for each vcpu of a vcore: what idles costs states."""
    return {1: 4, 2: 4, 4: 2, 8: 1}[smt] if model == "power8" else 1


def warm_up(host: Host) -> None:
    """Let host code run until every vcpu is in the guest, each actor in turn.

    None of it looks at the guest, so an empty one does: it does not come to its first instruction.
    Raises ConfigError if not all can be there at once.
    """
    search = Search(host.machine, Options(), host.engine, host.automaton.expand)
    search.hold(True)
    search.reset()
    for _ in range(MAX_WARM_UP):
        moves = [
            c for c in search.choices() if c.kind is ChoiceKind.GO and search.stand(c.actor).host
        ]
        if not moves:
            break
        search.take(moves[0])
    entered = {host.words[cpu.thread.vcpu] for cpu in host.cpus}
    if not all(1 + vcpu.index in entered for vcpu in host.vcpus):
        raise ConfigError("the hypervisor does not bring every thread of the test into the guest")
