"""Invariants of the hypervisor, checked after every step of a run.

Each is a sentence about the state, or about one step; what the guest was promised about its
doorbells is kept as a ghost, from the instructions that guests execute and not from host code.
A run that is checked goes one host step at a time, so it is slow; one that is not pays nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import Verdict
from emu.core.machine import Deed, Logged
from emu.hv.doorbell import DPDES, MFSPR, MSGCLRP, MSGSNDP, TIR
from emu.hv.event import Event
from emu.hv.kvm import EXITING, VCORE_INACTIVE, HostThread
from emu.hv.ops import Advance, Op, Reason, RunGuest, Trace, Write
from emu.isa.bits import bits
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import DOORBELL_TYPE

if TYPE_CHECKING:
    from emu.core.engine import Stop
    from emu.hv.host import Host
    from emu.hv.kvm import Vcore, Vcpu

DOORBELL: Final = INTERRUPTS["doorbell"].vector
MSGP: Final = FACILITIES["MSGP"].ic
LAST: Final = 8


class Violation(NamedTuple):
    """sentence: what does not hold. tb, actor: when, and after whose step. last: steps before."""

    sentence: str
    tb: int
    actor: str
    last: tuple[str, ...]

    def __str__(self) -> str:
        """Explain, a line a fact."""
        lines = (f"{self.sentence} (at {self.tb}, after a step of {self.actor})", *self.last)
        return "\n".join(lines)


class Invariants:
    """Looks at one host after every step."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._nodes: list[int] = []
        self._last: deque[str] = deque(maxlen=LAST)
        self._entry_exit = [host.words[vcore.entry_exit] for vcore in host.vcores]
        # Doorbells that a guest sent and that nobody has taken or cleared (POWER9, by vcpu), and
        # who is executing an instruction that sends or clears one now: it may have done so or not.
        self._sent: set[int] = {v.index for v in host.vcpus if host.words[v.doorbell_request]}
        self._doing: dict[int, tuple[int, bool]] = {}
        # Who is reading TIR or DPDES: which, into which GPR, and whether its own doorbell was sent.
        self._reading: dict[int, tuple[int, int, bool]] = {}
        # The same doorbells on POWER8, by vcore: bit = tir.
        self._native = [host.words[self._dpdes(vcore)] for vcore in host.vcores]
        # Prods that nobody has used up, and vcpus whose H_CEDE one has ended, until they enter.
        self._prodded = [bool(host.words[v.prodded]) for v in host.vcpus]
        self._used: set[int] = set()
        self._lpids = {cpu.subproc.lpid: cpu for cpu in host.cpus if cpu.tir == 0}
        self._states = {vcore.state: vcore for vcore in host.vcores}
        host.machine.log(1 << 12)
        self.begin()

    def begin(self) -> None:
        """Note where every actor stands."""
        host = self._host
        self._nodes = [host.words[host.node_ref(i)] for i in range(len(host.actors))]

    def after(self, stop: Stop) -> Violation | None:
        """Check what the last step did; stop: how the engine came back from it."""
        host = self._host
        actor = stop.actor
        if stop.verdict is Verdict.DEADLOCK:
            sentence = self._idle()
            return self._violation(sentence, actor) if sentence else None
        node = self._nodes[actor]
        op = host.automaton.op(node) if node else None
        self._nodes[actor] = host.words[host.node_ref(actor)]
        if op is not None:
            self._last.append(f"  {host.actor_name(actor)}: {op}")
        sentence = self._step(op, actor) or self._state()
        return self._violation(sentence, actor) if sentence else None

    def _violation(self, sentence: str, actor: int) -> Violation:
        host = self._host
        return Violation(sentence, host.machine.state.tb, host.actor_name(actor), tuple(self._last))

    # -- a step

    def _step(self, op: Op | None, actor: int) -> str | None:
        self._note_prods()
        match op:
            case RunGuest(thread=thread):
                return self._in_guest(thread) or self._deeds(thread) or self._trapped(thread)
            case Advance(vcpu=vcpu):
                return self._emulated(self._host.vcpus[vcpu])
            case Write(ref=ref, value=lpid) if ref in self._lpids:
                return self._switched(self._lpids[ref], lpid, actor)
            case Write(ref=ref, value=value) if value == VCORE_INACTIVE and ref in self._states:
                return self._left(self._states[ref])
            case Trace(event=Event.NAP, vcpu=vcpu):
                return self._sleeps(self._host.vcpus[vcpu])
            case Trace(event=Event.BLOCKED, vcpu=vcpu):
                return next(filter(None, map(self._sleeps, self._siblings(vcpu))), None)
        return None

    def _siblings(self, vcpu: int) -> tuple[Vcpu, ...]:
        return self._host.vcpus[vcpu].vcore.vcpus

    def _note_prods(self) -> None:
        words = self._host.words
        for i, vcpu in enumerate(self._host.vcpus):
            prodded = bool(words[vcpu.prodded])
            if self._prodded[i] and not prodded:
                self._used.add(i)
            self._prodded[i] = prodded

    def _sleeps(self, vcpu: Vcpu) -> str | None:
        """A prod that is used up has ended an H_CEDE: this one, or the one before."""
        if vcpu.index in self._used and self._host.words[vcpu.ceded]:
            return f"a prod ends one H_CEDE: {vcpu.name} used one up, and sleeps on"
        return None

    def _switched(self, primary: HostThread, lpid: int, actor: int) -> str | None:
        """Thread 0 alone switches the MMU, and back only when everybody is out."""
        host, words = self._host, self._host.words
        if host.generation.independent_threads:
            return None
        who = host.actors[actor]
        if isinstance(who, HostThread) and who.tir:
            return f"only thread 0 writes LPIDR: {who.name} wrote {lpid}"
        for vcore in host.vcores:
            if vcore.threads[0] is not primary or not words[vcore.in_guest]:
                continue
            if lpid:
                return f"a core is in one partition at a time: {vcore.name} is in it, got {lpid}"
            map_ = words[vcore.entry_exit]
            if map_ >> 8 & 0xFF != map_ & 0xFF:
                return (
                    "LPIDR goes back to the host's when every thread is out: "
                    f"{vcore.name} has {map_:#x}"
                )
        return None

    def _left(self, vcore: Vcore) -> str | None:
        """A vcore has been left when none of its threads works for it any more."""
        words = self._host.words
        for cpu in vcore.secondaries:
            if words[cpu.kvm_vcore] == 1 + vcore.host_number:
                return (
                    f"run_core goes on when every thread gave up {vcore.name}: {cpu.name} did not"
                )
        return None

    def _in_guest(self, thread: int) -> str | None:
        """Partition safety, wherever a guest instruction may have run."""
        host, words, cpu = self._host, self._host.words, self._host.cpus[thread]
        vcpu = host.vcpus[words[cpu.thread.vcpu] - 1]
        self._used.discard(vcpu.index)
        if words[cpu.subproc.lpid] != vcpu.kvm.lpid:
            return (
                f"no guest instruction runs under another LPID: {vcpu.name} ran under "
                f"{words[cpu.subproc.lpid]}, its VM has {vcpu.kvm.lpid}"
            )
        if host.generation.independent_threads:
            return None
        if not words[vcpu.vcore.in_guest]:
            return f"no guest instruction runs before in_guest is set: {vcpu.name} did"
        if vcpu.kvm.policy.thread_assignment == "aligned" and cpu.tir != vcpu.ptid:
            return f"a vcpu runs on the hardware thread of its number: {vcpu.name} ran on {cpu.tir}"
        return None

    def _deeds(self, thread: int) -> str | None:
        """A doorbell interrupt needs a doorbell that was sent."""
        for deed in self._host.machine.drain():
            if self._host.generation.native_doorbells:
                if sentence := self._native_deed(deed, self._host.cpus[thread].tir):
                    return sentence
                continue
            if deed.deed is not Deed.INTERRUPT or deed.argument != DOORBELL:
                continue
            if not self._emulated_doorbells:
                continue
            if deed.vcpu in self._sent:
                self._sent.discard(deed.vcpu)
            elif deed.vcpu not in {target for target, send in self._doing.values() if send}:
                return f"no doorbell is spurious: v{deed.vcpu} took one that nobody sent"
        return None

    def _native_deed(self, deed: Logged, tir: int) -> str | None:
        """Follow the core's doorbells; they belong to threads, whoever runs there."""
        vcpu = self._host.vcpus[deed.vcpu]
        number, mine = vcpu.vcore.host_number, 1 << tir
        if deed.deed is Deed.SEND:
            self._native[number] |= 1 << deed.argument
        elif deed.deed is Deed.CLEAR:
            self._native[number] &= ~mine
        elif deed.deed is Deed.INTERRUPT and deed.argument == DOORBELL:
            if not self._native[number] & mine:
                return f"no doorbell is spurious: {vcpu.name} took one that nobody sent"
            self._native[number] &= ~mine
        return None

    def _dpdes(self, vcore: Vcore) -> int:
        """Return the ref of a vcore's DPDES: the hardware's while it is in the guest."""
        words, subproc = self._host.words, vcore.threads[0].subproc
        inside = words[vcore.in_guest] and words[subproc.lpid] == vcore.kvm.lpid
        return subproc.dpdes if inside else vcore.dpdes

    def _native_doorbells(self) -> str | None:
        """DPDES has the bits of those who were sent a doorbell, in the core or saved."""
        words = self._host.words
        for vcore, sent in zip(self._host.vcores, self._native, strict=True):
            lpid = words[vcore.threads[0].subproc.lpid]
            if words[vcore.in_guest] and lpid != vcore.kvm.lpid:
                continue  # it is being saved
            pending = words[self._dpdes(vcore)]
            if pending & ~sent:
                return f"no doorbell is spurious: {vcore.name} has {pending:#b}, sent {sent:#b}"
            if sent & ~pending:
                return f"no doorbell is lost: {vcore.name} has {pending:#b}, sent {sent:#b}"
        return None

    @property
    def _emulated_doorbells(self) -> bool:
        return self._host.generation.independent_threads

    def _trapped(self, thread: int) -> str | None:
        """Note a doorbell instruction that begins to be emulated."""
        host, words = self._host, self._host.words
        vcpu = host.vcpus[words[host.cpus[thread].thread.vcpu] - 1]
        if words[vcpu.trap] != Reason.HFAC_UNAVAIL | MSGP << 8 or not self._emulated_doorbells:
            return None
        word = words[vcpu.arch.exit_word]
        operand = words[vcpu.gpr(bits(word, 16, 20, 32))]
        xo, mode = bits(word, 21, 30, 32), vcpu.kvm.emul_smt_mode
        if bits(word, 0, 5, 32) != 31:
            return None
        if xo == MFSPR:
            rt, spr = bits(word, 6, 10, 32), bits(word, 11, 20, 32)
            self._reading[vcpu.index] = (spr, rt, vcpu.index in self._sent)
        elif bits(operand, 32, 36) != DOORBELL_TYPE:
            return None
        elif xo == MSGCLRP:
            self._doing[vcpu.index] = (vcpu.index, False)
        elif xo == MSGSNDP and bits(operand, 57, 63) < mode:
            target = vcpu.kvm.find_vcpu((vcpu.vcpu_id & -mode) + bits(operand, 57, 63))
            if target is not None:
                self._doing[vcpu.index] = (target.index, True)
        return None

    def _emulated(self, vcpu: Vcpu) -> str | None:
        """The instruction is done: from here on its doorbell must be pending, or gone."""
        target, send = self._doing.pop(vcpu.index, (None, False))
        if target is not None:
            (self._sent.add if send else self._sent.discard)(target)
        spr, rt, sent = self._reading.pop(vcpu.index, (0, 0, False))
        value, mode = self._host.words[vcpu.gpr(rt)], vcpu.kvm.emul_smt_mode
        thread = vcpu.vcpu_id & mode - 1
        if spr == TIR and value != thread:
            return f"TIR is the vcpu id modulo the SMT mode: {vcpu.name} read {value}"
        return self._read_dpdes(vcpu, value, thread, sent=sent) if spr == DPDES else None

    def _read_dpdes(self, vcpu: Vcpu, value: int, thread: int, *, sent: bool) -> str | None:
        """Who reads DPDES knows its own bit exactly, and none of vcpus that do not exist.

        sent: whether its own doorbell was pending before. The bits of others may be out of date.
        """
        kvm = vcpu.kvm
        for other in range(kvm.emul_smt_mode):
            absent = kvm.find_vcpu(vcpu.vcpu_id - thread + other) is None
            if absent and value >> other & 1:
                return f"DPDES has no bit of an absent vcpu: {vcpu.name} read {value:#b}"
        sending = {target for target, send in self._doing.values() if send}
        if sent and not value >> thread & 1:
            return f"one's own bit of DPDES is exact: {vcpu.name} read {value:#b}, it was sent one"
        if value >> thread & 1 and vcpu.index not in self._sent | sending:
            return f"one's own bit of DPDES is exact: {vcpu.name} read {value:#b}, none was sent"
        return None

    # -- the state

    def _state(self) -> str | None:
        doorbells = (
            self._native_doorbells if self._host.generation.native_doorbells else self._doorbells
        )
        return self._loaded() or self._entries() or self._hardware() or doorbells()

    def _loaded(self) -> str | None:
        """Count the hardware threads that each vcpu claims."""
        words, seen = self._host.words, set()
        for vcpu in self._host.vcpus:
            cpu = words[vcpu.thread_cpu]
            if cpu and cpu in seen:
                return f"a thread holds at most one vcpu: cpu{cpu - 1} has {vcpu.name} and another"
            seen.add(cpu)
        return None

    def _entries(self) -> str | None:
        host, words = self._host, self._host.words
        for i, vcore in enumerate(host.vcores):
            before, now = self._entry_exit[i], words[vcore.entry_exit]
            self._entry_exit[i] = now
            if now in (before, 0):
                continue
            if now & 0xFF != before & 0xFF and before >= EXITING:
                return f"no thread enters once one has begun to exit: {vcore.name} {now:#x}"
            if vcore.kvm.policy.entry_exit == "map" and now >> 8 & ~now & 0xFF:
                return f"only threads that entered exit: {vcore.name} has {now:#x}"
        return None

    def _hardware(self) -> str | None:
        """The host never holds a guest's doorbell in DPDES."""
        host, words = self._host, self._host.words
        if host.generation.independent_threads:
            inside = {words[vcpu.thread_cpu] for vcpu in host.vcpus}
            idle = [cpu for cpu in host.cpus if 1 + cpu.number not in inside]
        else:
            idle = [
                vcore.threads[0]
                for vcore in host.vcores
                if not words[vcore.threads[0].running] and words[vcore.state] == VCORE_INACTIVE
            ]
        for cpu in idle:
            if words[cpu.subproc.dpdes]:
                return f"DPDES is 0 whenever the host runs: cpu{cpu.number} has a bit set"
        return None

    def _doorbells(self) -> str | None:
        """Who was sent a doorbell has one pending, wherever nothing is under way."""
        if not self._emulated_doorbells or self._doing:
            return None
        words = self._host.words
        for vcpu in self._host.vcpus:
            node = self._nodes[vcpu.index]
            op = self._host.automaton.op(node) if node else None
            if words[vcpu.thread_cpu] and not isinstance(op, RunGuest):
                continue  # its doorbell is being moved in or out
            pending = bool(words[vcpu.doorbell_request])
            if words[vcpu.thread_cpu]:
                pending |= bool(words[vcpu.pcpu.subproc.dpdes])
            if pending and vcpu.index not in self._sent:
                return f"no doorbell is spurious: {vcpu.name} has one that nobody sent"
            if not pending and vcpu.index in self._sent:
                return f"no doorbell is lost: {vcpu.name} was sent one, and none is pending"
        return None

    def _idle(self) -> str | None:
        """Nobody sleeps for ever with a reason to run."""
        words = self._host.words
        for vcpu in self._host.vcpus:
            for name in ("prodded", "pending_exceptions", "doorbell_request"):
                if words[vcpu.ceded] and words[getattr(vcpu, name)]:
                    return f"no vcpu sleeps in H_CEDE with an event pending: {vcpu.name}, {name}"
            if words[vcpu.ceded] and self._native[vcpu.vcore.host_number] >> vcpu.ptid & 1:
                return f"no vcpu sleeps in H_CEDE with an event pending: {vcpu.name}, DPDES"
        return None
