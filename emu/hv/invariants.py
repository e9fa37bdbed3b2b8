"""Invariants of the hypervisor, checked after every step of a run.

Each is a sentence about the state, or about one step; what the guest was promised about its
doorbells is kept as a ghost, from the instructions that guests execute and not from host code.
A run that is checked goes one host step at a time, so it is slow; one that is not pays nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import Verdict
from emu.core.machine import Deed
from emu.hv.doorbell import MSGCLRP, MSGSNDP
from emu.hv.kvm import EXITING, VCORE_INACTIVE
from emu.hv.ops import Advance, Op, Reason, RunGuest
from emu.isa.bits import bits
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import DOORBELL_TYPE

if TYPE_CHECKING:
    from emu.core.engine import Stop
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

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
        self.begin()
        if op is not None:
            self._last.append(f"  {host.actor_name(actor)}: {op}")
        sentence = self._step(op) or self._state()
        return self._violation(sentence, actor) if sentence else None

    def _violation(self, sentence: str, actor: int) -> Violation:
        host = self._host
        return Violation(sentence, host.machine.state.tb, host.actor_name(actor), tuple(self._last))

    # -- a step

    def _step(self, op: Op | None) -> str | None:
        if isinstance(op, RunGuest):
            return self._in_guest(op.thread) or self._deeds() or self._trapped(op.thread)
        if isinstance(op, Advance):
            return self._emulated(self._host.vcpus[op.vcpu])
        return None

    def _in_guest(self, thread: int) -> str | None:
        """Partition safety, wherever a guest instruction may have run."""
        host, words, cpu = self._host, self._host.words, self._host.cpus[thread]
        vcpu = host.vcpus[words[cpu.thread.vcpu] - 1]
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

    def _deeds(self) -> str | None:
        """A doorbell interrupt needs a doorbell that was sent."""
        for deed in self._host.machine.drain():
            if deed.deed is not Deed.INTERRUPT or deed.argument != DOORBELL:
                continue
            if not self._emulated_doorbells:
                continue
            if deed.vcpu in self._sent:
                self._sent.discard(deed.vcpu)
            elif deed.vcpu not in {target for target, send in self._doing.values() if send}:
                return f"no doorbell is spurious: v{deed.vcpu} took one that nobody sent"
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
        if bits(word, 0, 5, 32) != 31 or bits(operand, 32, 36) != DOORBELL_TYPE:
            return None
        xo, mode = bits(word, 21, 30, 32), vcpu.kvm.emul_smt_mode
        if xo == MSGCLRP:
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
        return None

    # -- the state

    def _state(self) -> str | None:
        return self._loaded() or self._entries() or self._hardware() or self._doorbells()

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
        return None
