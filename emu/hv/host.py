"""A host: the hardware of one generation, the VMs on it, and the loop that runs them.

    host = Host("power9", cores=1)
    vm = host.create_vm(memory=16 << 20, smt=4)
    for vcpu_id in range(4):
        vm.create_vcpu(vcpu_id)
    vm.load(program)
    outcome = host.run()

The machine is built at the first use of its state (`load`, `run`, `words`, ...); VMs and vcpus are
created before that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from emu.core.engine import ACTOR_WORDS, Engine, Observed, Order, Stop, Turn, Verdict, fields
from emu.core.machine import Machine
from emu.errors import ConfigError, ReplayError
from emu.hv import ioctls
from emu.hv.automaton import Automaton, Place
from emu.hv.capability import Capability, check_smt_mode, host_capability
from emu.hv.deadlock import explain
from emu.hv.event import BY_NUMBER, Event
from emu.hv.generation import Generation, generation
from emu.hv.invariants import Checker
from emu.hv.kvm import HostThread, Vcore, Vcpu, Window
from emu.hv.migration import move_in
from emu.hv.ops import Call, Inject, Op, RunGuest
from emu.hv.policy import Policy
from emu.hv.pseries import Pseries
from emu.hv.run import vcpu_task
from emu.hv.schedulers import Pct, Random, Replay, RoundRobin, Scheduler
from emu.hv.secondary import offline_thread
from emu.hv.state import Layout
from emu.hv.topology import Hardware, VmSpec, lay_out
from emu.hv.vm import Vm
from emu.isa.hcalls import HCALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emu.hv.ops import HostCode
    from emu.hv.saved import SavedVm

CHUNK = 20_000_000  # so that Ctrl-C and console output need not wait for long
UNLIMITED = (1 << 63) - 1
STOP_NODES = 1000  # host steps between two looks whether all have stopped
PAGE = 4096
WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    kind: exit (H_EXIT, or the end of the text), limit, deadlock, trap (a guest interrupt that
    nobody handles), breakpoint, or interrupted (by the user, who says so). status: of an exit.
    vcpu: whose trap or breakpoint it was. explanation: sentences for people, one a line.
    """

    kind: Literal["exit", "limit", "deadlock", "trap", "breakpoint", "interrupted", "violation"]
    instructions: int
    status: int = 0
    vcpu: int | None = None
    explanation: str = ""


class TraceEvent(NamedTuple):
    """One event for people and for a trace file. value: the word that matters; of an entry, r3."""

    tb: int
    actor: str
    vcpu: int
    event: Event
    value: int
    nia: int


class Host:
    """A machine of one host generation.

    cores: physical cores, of which the first idle_cores run no VM. subcores: into how many parts
    each is split (POWER8). seed: of everything random. policy: which of KVM's ways of its time
    (POWER7, POWER8). check: look at the invariants after every step; a run that breaks one ends as
    a violation, and says which.
    """

    def __init__(
        self,
        model: str | Generation = "power9",
        *,
        cores: int = 1,
        subcores: int = 1,
        idle_cores: int = 0,
        seed: int = 0,
        policy: Policy | None = None,
        check: bool = False,
    ) -> None:
        self.check = check
        self.generation = generation(model) if isinstance(model, str) else model
        if subcores not in self.generation.subcores:
            possible = ", ".join(map(str, self.generation.subcores))
            raise ConfigError(
                f"subcores must be one of {possible} on {self.generation.name}, got {subcores}"
            )
        if not 1 <= cores <= 256:
            raise ConfigError(f"cores must be 1 to 256, got {cores}")
        if not 0 <= idle_cores < cores:
            raise ConfigError(f"idle cores must be 0 to {cores - 1}, got {idle_cores}")
        self.hardware = Hardware(self.generation, cores, subcores, idle_cores)
        self.policy = policy or Policy()
        self.seed = seed & WORD
        self.vms: list[Vm] = []
        self.instructions = 0
        self._machine: Machine | None = None
        self._nvcpus = 0
        self._has_run = False

    # -- making it

    def check_extension(self, capability: Capability) -> int:
        """Query a capability of this host (KVM_CHECK_EXTENSION on /dev/kvm).

        PPC_SMT: threads that share a partition. PPC_SMT_POSSIBLE: bit N (LSB = 0) = mode 2**N.
        """
        return host_capability(self.hardware, capability)

    def create_vm(self, *, memory: int = 16 << 20, smt: int = 1) -> Vm:
        """Create a VM with its own memory (bytes, a multiple of 4096)."""
        self.must_not_be_built("create a VM")
        check_smt_mode(self.hardware, smt)
        if memory % PAGE or not 0 < memory <= 1 << 32:
            raise ConfigError(f"memory must be 4K to 4G and a multiple of 4K, got {memory:#x}")
        self.vms.append(Vm(self, len(self.vms), memory, smt))
        return self.vms[-1]

    def restore_vm(self, saved: SavedVm) -> Vm:
        """Create a VM as it was saved, on this or another host generation, stopped nowhere.

        Raises ConfigError if this host cannot give it its SMT mode.
        """
        vm = self.create_vm(memory=saved.memory, smt=saved.smt)
        if saved.firmware is not None:
            Pseries(vm)
        for vcpu in saved.vcpus:
            vm.create_vcpu(vcpu.id)
        for source in saved.sources:
            vm.create_irq(level=source["level"] == 1)
        vm.input = saved.console_input
        vm.incoming = saved
        return vm

    def must_not_be_built(self, doing: str) -> None:
        """Refuse what is only possible before the machine exists."""
        if self._machine is not None:
            raise ConfigError(f"{doing} before the machine is used, not after")

    def number_vcpu(self, vm: Vm) -> int:
        """Return the next vcpu number; vcpus are numbered in the order of their VMs."""
        if vm is not self.vms[-1]:
            raise ConfigError("create all vcpus of a VM before the next VM")
        self._nvcpus += 1
        return self._nvcpus - 1

    @property
    def machine(self) -> Machine:
        """The C core's machine."""
        self.build()
        machine = self._machine
        assert machine is not None
        return machine

    def build(self) -> None:
        """Build the machine, if that has not been done: from now on its shape is fixed."""
        if self._machine is None:
            self._build()

    @property
    def actors(self) -> tuple[Vcpu | HostThread, ...]:
        """Who runs host code: the vcpus' tasks, then the hardware threads.

        On POWER9, and thread 0 of each (sub)core elsewhere, a thread has no code of its own: it
        runs the tasks.
        """
        return (*self.vcpus, *self.cpus)

    def _host_code(self, actor: Vcpu | HostThread) -> Callable[[], HostCode[None]] | None:
        if isinstance(actor, Vcpu):
            return _task(actor)
        return None if actor.tir == 0 else _offline(actor, self.vcores)

    @property
    def words(self) -> memoryview:
        """The machine's state, one integer a word; refs are its indices."""
        return self.machine.words

    def _build(self) -> None:
        if not self._nvcpus:
            raise ConfigError("a host needs a VM with at least one vcpu")
        specs = [VmSpec(vm.smt, vm.vcpu_ids, vm.level_irqs) for vm in self.vms]
        hardware = self.hardware
        # Laid out twice: the first time only to know how many words the records need.
        counted = Layout(0)
        lay_out(counted, hardware, specs, _unplaced)
        self._machine = machine = Machine(
            generation=self.generation.number,
            nvms=len(self.vms),
            nvcpus=self._nvcpus,
            nthreads=hardware.nthreads,
            actor_words=(self._nvcpus + hardware.nthreads) * ACTOR_WORDS,
            host_words=len(counted.words),
        )
        self.layout = Layout(machine.area("host"))
        self.cpus, self.kvms, self.vcores, self.vcpus = lay_out(
            self.layout, hardware, specs, self._refs, self.policy
        )
        for vm, kvm in zip(self.vms, self.kvms, strict=True):
            kvm.python_hcalls = frozenset(vm.on_hcall)
            kvm.firmware = vm.firmware
        self.machine_refs = self._refs("machine", 0)
        self._initial_words()
        for vm in self.vms:
            self._machine.new_memory(vm.number, vm.memory)
        self._start_engine()
        self._new = machine.snapshot()
        for vm in self.vms:
            if vm.incoming is not None:
                move_in(vm, vm.incoming)

    def reset(self) -> None:
        """Make the machine new, with empty memory: for another guest on the same kind of machine.

        What has been learned of the host code is kept, which is most of what a short run costs. The
        counters start again, those of the core (`machine.count`) excepted.
        """
        self.machine.restore(self._new)
        self.engine.observe(self._nvcpus, len(Event))
        self.engine.set_consoles(len(self.vms))
        self.instructions = 0
        for vm in self.vms:
            self.engine.feed(vm.number, vm.input)
            for address in vm.ends:
                self.machine.breakpoint(vm.number, address, on=False)
            vm.ends.clear()

    def _refs(self, struct: str, index: int) -> Window:
        size, offsets = fields(struct)
        base = self.machine.area(struct) + size * index
        return Window({name: base + offset for name, offset in offsets.items()})

    def _initial_words(self) -> None:
        words = self.words
        for i, word in enumerate(self.layout.words):
            words[self.layout.first + i] = word.initial
        words[self.machine_refs.rng] = self.seed
        words[self.machine_refs.sched_rng] = ~self.seed & WORD
        for cpu in self.cpus:
            words[cpu.thread.subproc] = cpu.siblings[0].number
            words[cpu.thread.tir] = cpu.tir
            words[cpu.thread.pir] = cpu.number
            words[cpu.subproc.nthreads] = len(cpu.siblings)
        for vcpu in self.vcpus:
            words[vcpu.vcore.lpcr] = self.generation.lpcr
            words[vcpu.hfscr] = self.generation.hfscr & ~self.generation.demanded
            words[vcpu.arch.vm] = vcpu.kvm.number
            words[vcpu.arch.pvr] = self.generation.pvr

    def _start_engine(self) -> None:
        self.engine = Engine()
        self.engine.set_hcalls([row.number for row in HCALLS])
        self.engine.observe(self._nvcpus, len(Event))
        self.engine.set_consoles(len(self.vms))
        self.automaton = Automaton(_Teacher(self.engine, self._shared_refs()))
        for vm in self.vms:
            self.engine.feed(vm.number, vm.input)
        for i, actor in enumerate(self.actors):
            code = self._host_code(actor)
            self._set_node(i, 0 if code is None else self.automaton.root(code))

    def _shared_refs(self) -> frozenset[int]:
        """List the words that actors other than a word's owner may look at."""
        host = {self.layout.first + i for i, word in enumerate(self.layout.words) if word.shared}
        for cpu in self.cpus:
            host |= {cpu.thread.hdoorbell, cpu.thread.xics_ipi}
            if not self.generation.independent_threads:
                host.add(cpu.subproc.dpdes)
                if self.policy.entry_exit == "count":  # who exits first sets the others' HDEC to 0
                    host.add(cpu.thread.hdec_expires)
        return frozenset(host)

    def node_ref(self, actor: int) -> int:
        """Return the ref of an actor's place in host code: a node of the automaton."""
        return self.machine.area("actor") + actor * ACTOR_WORDS

    def _set_node(self, actor: int, node: int) -> None:
        self.words[self.node_ref(actor)] = node

    # -- what userspace does to a vcpu between two runs

    def stop_vcpus(self, vcpus: Sequence[Vcpu]) -> Outcome | None:
        """Bring vcpus to userspace, as a signal to each does; None, or how the run ended instead.

        They execute no instruction on the way: what is in the guest leaves it, what the host is
        about to do for a vcpu is done to its end.
        """
        order, slice_ = self.prepare(RoundRobin())
        for vcpu in vcpus:
            self.perform(vcpu, partial(ioctls.signal_stop, vcpu))
        while not all(self.words[vcpu.in_userspace] for vcpu in vcpus):
            stop = self.engine.run(self.machine, order, slice_, CHUNK, STOP_NODES)
            self.instructions += stop.insns
            if self.answer(stop) or stop.verdict is Verdict.PAUSE:
                continue
            if not all(self.words[vcpu.in_userspace] for vcpu in vcpus):
                return self.outcome(stop)
        return None

    def continue_vcpus(self, vcpus: Sequence[Vcpu]) -> None:
        """Let vcpus that were stopped run again."""
        for vcpu in vcpus:
            self.perform(vcpu, partial(ioctls.signal_continue, vcpu))

    def perform(self, vcpu: Vcpu, code: Callable[[], HostCode[None]]) -> None:
        """Run host code to its end as an ioctl would, in the place of a vcpu's task."""
        words, node = self.words, self.node_ref(vcpu.index)
        borrowed = (node, node + 1, self.machine_refs.sched_last, self.machine_refs.stopped)
        kept = [words[ref] for ref in borrowed]
        words[self.machine_refs.stopped] = 0
        words[self.machine_refs.sched_last] = 1 + vcpu.index
        words[node], words[node + 1] = self.automaton.root(code), 1
        while words[node]:
            stop = self.engine.run(self.machine, Order.RR, 1, max_insns=1, max_nodes=1)
            if not self.answer(stop) and stop.verdict is not Verdict.PAUSE:
                raise AssertionError(f"an ioctl came to {stop}")
        for ref, value in zip(borrowed, kept, strict=True):
            words[ref] = value

    def guest_tb(self, vcpu: Vcpu) -> int:
        """Return the guest's timebase."""
        return (self.words[self.machine_refs.tb] + vcpu.kvm.tb_offset) & (1 << 64) - 1

    def kick(self, vcpu: Vcpu) -> None:
        """Pull a vcpu out of the guest, or wake its task, so that it looks at its state again."""
        self.perform(vcpu, partial(ioctls.kick, vcpu))

    def set_external(self, vcpu: Vcpu, *, level: bool) -> None:
        """Raise or drop a vcpu's external interrupt line (KVM_INTERRUPT)."""
        self.perform(vcpu, partial(ioctls.set_external, vcpu, level))

    def must_not_have_run(self, doing: str) -> None:
        """Refuse what is only possible before the first step of host code."""
        if self._has_run:
            raise ConfigError(f"{doing} before the first run, not after")

    # -- running it

    def run(
        self,
        scheduler: Scheduler | None = None,
        *,
        max_insns: int | None = None,
        on_chunk: Callable[[], None] | None = None,
        chunk: int = CHUNK,
    ) -> Outcome:
        """Run until something happens; a run that was cut short by a limit can go on.

        max_insns: guest instructions of all vcpus together, of this call; what the last of them
        asked the host for is done, as far as the turn goes. on_chunk is called after
        at most `chunk` guest instructions or host steps, so that a caller can show the console's
        output or drain events.
        """
        machine = self.machine
        order, slice_ = self.prepare(scheduler or RoundRobin())
        left = UNLIMITED if max_insns is None else max_insns
        checker = Checker(self) if self.check else None
        while True:
            if left == 0 and self._in_host():
                stop = self._one_step(order, slice_, 1, checker)
            elif checker:
                stop = self._one_step(order, slice_, min(left, chunk), checker)
            else:
                stop = self.engine.run(machine, order, slice_, min(left, chunk), chunk)
            left -= stop.insns
            self.instructions += stop.insns
            answered = self.answer(stop)
            if checker and (broken := checker.after(stop)):
                return Outcome("violation", self.instructions, explanation=str(broken))
            if answered:
                continue
            if on_chunk is not None:
                on_chunk()
            if stop.verdict is Verdict.PAUSE and (left > 0 or self._in_host()):
                continue
            outcome = self.outcome(stop)
            if outcome is not None:
                return outcome

    def _one_step(
        self, order: Order, slice_: int, max_insns: int, checker: Checker | None = None
    ) -> Stop:
        """Do one step of host code, or run a guest to the end of its turn.

        If the next actor is still to be chosen, do just that: a checker looks at who goes next.
        """
        actor = self.engine.turn(self.machine)
        if actor is None or self.engine.guest(self.machine, actor) is None:
            return self.engine.run(self.machine, order, slice_, max_insns, 1, max_steps=1)
        if checker:
            checker.before(actor)
        return self.engine.run(self.machine, order, slice_, max_insns, 1)

    def _in_host(self) -> bool:
        """Whether the actor whose turn it is has steps of host code before its guest."""
        actor = self.engine.turn(self.machine)
        return actor is not None and self.engine.guest(self.machine, actor) is None

    @property
    def timebase(self) -> int:
        """Ref of the host timebase."""
        return self.machine_refs.tb

    def stop(self, status: int) -> None:
        """End the run, with an exit status, before another instruction."""
        self.words[self.machine_refs.stopped] = 1
        self.words[self.machine_refs.status] = status

    def answer(self, stop: Stop) -> bool:
        """Give the engine what it came back for; False: the run is not to go on just so."""
        if stop.verdict is Verdict.LEARN:
            self._set_node(stop.actor, self.automaton.expand(stop.node, stop.answer))
            return True
        if stop.verdict is Verdict.CALL:
            self._call(stop)
            return True
        return False

    def prepare(self, scheduler: Scheduler) -> tuple[Order, int]:
        """Get ready to run in this order; returns what the engine needs to know of it."""
        self._has_run = True
        match scheduler:
            case RoundRobin(slice=slice_):
                return Order.RR, slice_
            case Random(slice=slice_):
                return Order.RANDOM, slice_
            case Pct(slice=slice_):
                return Order.PCT, slice_
            case Replay(turns=turns, slice=slice_):
                self.engine.set_turns(turns)
                if any(turn.steps for turn in turns):
                    self.machine.pay_interrupts(True)  # as they were counted
                return Order.REPLAY, slice_

    def _call(self, stop: Stop) -> None:
        op = self.automaton.op(stop.node)
        if not isinstance(op, Call):
            raise TypeError(f"a call node holds a Call, got {op}")
        vcpu = self.vcpus[op.vcpu]
        self.vms[vcpu.kvm.number].on_hcall[op.hcall](vcpu)
        self._set_node(stop.actor, self.automaton.expand(stop.node, 0))

    def outcome(self, stop: Stop) -> Outcome | None:
        """Say how a run ended, if it did."""
        done = self.instructions
        match stop.verdict:
            case Verdict.STOPPED:
                status = self.words[self.machine_refs.status]
                return Outcome("exit", done, status=status)
            case Verdict.PAUSE:
                return Outcome("limit", done)
            case Verdict.DEADLOCK:
                return Outcome("deadlock", done, explanation=explain(self))
            case Verdict.TRAP:
                return self._trap(stop)
            case Verdict.BREAK:
                vcpu = self._running(stop)
                if self.words[vcpu.arch.nia] in self.vms[vcpu.kvm.number].ends:
                    self.words[self.machine_refs.stopped] = 1
                    return Outcome("exit", done)
                self.words[vcpu.arch.passing] = self.words[vcpu.arch.nia] + 1
                return Outcome("breakpoint", done, vcpu=vcpu.index)
            case Verdict.DIVERGED:
                raise ReplayError(
                    f"the schedule does not fit this run: turn {stop.next_turn} names an actor "
                    f"that cannot run, got {self.actor_name(stop.actor)}"
                )
        raise MemoryError("the engine is out of memory")

    def _running(self, stop: Stop) -> Vcpu:
        """Return the vcpu whose guest an actor was running."""
        op = self.automaton.op(self.words[self.node_ref(stop.actor)])
        if not isinstance(op, RunGuest | Inject):
            raise TypeError(f"a guest runs in RunGuest or Inject, got {op}")
        return self.vcpus[self.words[self.cpus[op.thread].thread.vcpu] - 1]

    def _trap(self, stop: Stop) -> Outcome:
        vcpu = self._running(stop)
        vector = self.words[vcpu.arch.trap_vector]
        nia = self.words[vcpu.arch.nia]
        srr1 = self.words[vcpu.arch.trap_srr1]
        # The low 12 bits of a handler's address are its vector, wherever LPCR[AIL] puts it.
        why = (
            "the handler's first instruction causes it again"
            if nia & 0xFFF == vector
            else "the guest has no code at that vector"
        )
        return Outcome(
            "trap",
            self.instructions,
            vcpu=vcpu.index,
            explanation=f"v{vcpu.index} took interrupt {vector:#x} at {nia:#x} "
            f"(SRR1 {srr1:#x}), and {why}",
        )

    # -- watching it

    def actor_name(self, actor: int) -> str:
        """Name an actor as schedules do."""
        return self.actors[actor].name if actor < len(self.actors) else f"actor {actor}"

    def where(self, actor: int) -> list[Place]:
        """Say where in the host code's source an actor stands, outermost call first."""
        node = self.words[self.node_ref(actor)]
        return self.automaton.where(node) if node else []

    def counts(self, vcpu: int) -> dict[Event, int]:
        """Return how often each event happened to a vcpu."""
        return {BY_NUMBER[i]: n for i, n in enumerate(self.engine.counters(vcpu))}

    def events(self) -> list[TraceEvent]:
        """Return the events since the last call; `engine.keep_events` says how many are kept."""
        return [self._event(observed) for observed in self.engine.drain()]

    def _event(self, seen: Observed) -> TraceEvent:
        event = BY_NUMBER[seen.event]
        return TraceEvent(
            seen.tb, self.actor_name(seen.actor), seen.vcpu, event, seen.value, seen.nia
        )

    def schedule(self) -> Iterable[Turn]:
        """Return the turns of the run so far; `engine.record(True)` before it keeps them."""
        return self.engine.recorded()


class _Teacher:
    """Gives what the automaton learns to the engine. shared: refs that several actors use."""

    def __init__(self, engine: Engine, shared: frozenset[int]) -> None:
        self._engine = engine
        self._shared = shared

    def add_node(self, op: Op) -> int:
        """Return the number of a new node."""
        coded = op.coded()
        return self._engine.add_node(
            coded.op,
            visible=not self._shared.isdisjoint(op.refs()),
            ref=coded.ref,
            ref2=coded.ref2,
            a=coded.a,
            b=coded.b,
            entries=coded.entries,
            pool=coded.pool,
        )

    def add_edge(self, node: int, answer: int, target: int) -> None:
        """Lead from a node to another."""
        self._engine.add_edge(node, answer, target)


def _unplaced(struct: str, _index: int) -> Window:
    """Stand in for refs of a machine that does not exist yet."""
    return Window(fields(struct)[1])


def _offline(cpu: HostThread, vcores: tuple[Vcore, ...]) -> Callable[[], HostCode[None]]:
    return lambda: offline_thread(cpu, vcores)


def _task(vcpu: Vcpu) -> Callable[[], HostCode[None]]:
    return lambda: vcpu_task(vcpu)
