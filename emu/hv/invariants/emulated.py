"""Doorbells that the hypervisor emulates (POWER9): none lost, none doubled, none astray.

What the guest was promised is kept as a ghost, from the instructions that guests execute and not
from host code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import fields
from emu.hv.doorbell import DPDES, MFSPR, MSGCLRP, MSGSNDP, TIR
from emu.hv.invariants.family import Family, Step, written
from emu.hv.kvm import Vcpu
from emu.hv.one_reg import doorbell_pending
from emu.hv.ops import Advance, Inject, Reason, RunGuest, Write
from emu.isa.bits import bits
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import DOORBELL_TYPE, mask

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.invariants.family import StandsAt
    from emu.hv.ops import Op

DOORBELL: Final = INTERRUPTS["doorbell"].vector
MSGP: Final = FACILITIES["MSGP"].ic
PR: Final = mask("MSR", "PR")
WORD: Final = (1 << 64) - 1

SIZE, OFFSETS = fields("vcpu")
# What the emulation of an instruction may always change.
OWN: Final = frozenset({OFFSETS["nia"], OFFSETS["exit_word"]})


class Trapped(NamedTuple):
    """A doorbell instruction that is being emulated.

    send, clear: the vcpu whose doorbell it makes or unmakes. spr, rt: what mfspr reads, and into
    which GPR. sent: whether the doorbell of the vcpu itself was pending. registers: the state of
    the vcpu when it trapped; none if that was before this run.
    """

    send: Vcpu | None = None
    clear: Vcpu | None = None
    spr: int = 0
    rt: int | None = None
    sent: bool = False
    registers: tuple[int, ...] = ()


class EmulatedDoorbells(Family):
    """Who was sent a doorbell has one pending until it is taken or cleared."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._requests = {vcpu.doorbell_request: vcpu for vcpu in host.vcpus}
        self._entries = {vcpu.thread_cpu: vcpu for vcpu in host.vcpus}
        self._watched = {
            *self._requests, *self._entries, *(cpu.subproc.dpdes for cpu in host.cpus),
        }  # fmt: skip
        self._sent = {vcpu.index for vcpu in host.vcpus if doorbell_pending(host, vcpu)}
        self._trapped: dict[int, Trapped] = {}
        for vcpu in host.vcpus if host.generation.independent_threads else ():
            if not isinstance(stands_at(vcpu.index), RunGuest):
                self._note(vcpu, ())

    def wants(self, op: Op) -> bool:
        """It looks at guests, at what emulates them, and at the words that hold doorbells."""
        if not self.host.generation.independent_threads:
            return False
        return isinstance(op, RunGuest | Advance | Inject) or written(op) in self._watched

    def after(self, step: Step) -> str | None:
        """Follow what guests do, and compare with what the host holds."""
        return self._step(step) or self._state()

    def idle(self) -> str | None:
        """Nobody sleeps for ever with a doorbell."""
        for vcpu in self.host.vcpus:
            if self.words[vcpu.ceded] and self.words[vcpu.doorbell_request]:
                return (
                    f"no vcpu sleeps in H_CEDE with an event pending: {vcpu.name}, doorbell_request"
                )
        return None

    def _step(self, step: Step) -> str | None:
        match step.op:
            case RunGuest() if step.before:
                return self._taken(step) or self._ran_on(step) or self._traps(step)
            case Advance(vcpu=index):
                return self._emulated(self.host.vcpus[index])
            case Inject() if isinstance(step.who, Vcpu):
                self._trapped.pop(step.who.index, None)  # it was no doorbell instruction
            case Write(ref=ref, value=value) if ref in self._entries and value:
                return self._enters(self._entries[ref])
            case Write(ref=ref, value=value) if ref in self._requests:
                return self._wrote(step, self._requests[ref], value)
        return None

    # -- the guest

    def _taken(self, step: Step) -> str | None:
        """A doorbell interrupt needs a doorbell that was sent."""
        for deed in step.interrupts:
            if deed.argument != DOORBELL:
                continue
            if deed.vcpu in self._sent:
                self._sent.discard(deed.vcpu)
            elif deed.vcpu not in self._targets():
                return f"no doorbell is spurious: v{deed.vcpu} took one that nobody sent"
        return None

    def _targets(self, *, clear: bool = False) -> set[int]:
        """Those whose doorbell is being made, or unmade, just now."""
        targets = [row.clear if clear else row.send for row in self._trapped.values()]
        return {target.index for target in targets if target is not None}

    def _ran_on(self, step: Step) -> str | None:
        """A doorbell to a vcpu that is in the guest gets it out of there."""
        before = step.before
        assert before is not None
        vcpu = before.vcpu
        ran = self.words[vcpu.arch.ic] != before.insns
        if ran and self.words[vcpu.doorbell_request] and vcpu.index not in self._targets():
            return f"no doorbell waits while its vcpu runs: {vcpu.name} ran on with one requested"
        return None

    def _traps(self, step: Step) -> str | None:
        """A doorbell instruction begins to be emulated."""
        assert step.before is not None
        vcpu = step.before.vcpu
        if not step.exited or not self._note(vcpu, self._registers(vcpu)):
            return None
        if self.words[vcpu.arch.msr] & PR:
            return f"problem state does not get at doorbells: {vcpu.name} left the guest for one"
        return None

    def _note(self, vcpu: Vcpu, registers: tuple[int, ...]) -> bool:
        """Take down which instruction it is; False: the vcpu left for something else."""
        words, mode = self.words, vcpu.kvm.emul_smt_mode
        if words[vcpu.trap] != Reason.HFAC_UNAVAIL | MSGP << 8:
            return False
        word = words[vcpu.arch.exit_word]
        operand = words[vcpu.gpr(bits(word, 16, 20, 32))]
        xo = bits(word, 21, 30, 32) if bits(word, 0, 5, 32) == 31 else None
        meant = bits(operand, 32, 36) == DOORBELL_TYPE
        row = Trapped(registers=registers, sent=vcpu.index in self._sent)
        if xo == MFSPR:
            row = row._replace(rt=bits(word, 6, 10, 32), spr=bits(word, 11, 20, 32))
        elif xo == MSGCLRP and meant:
            row = row._replace(clear=vcpu)
        elif xo == MSGSNDP and meant and bits(operand, 57, 63) < mode:
            target = (vcpu.vcpu_id & -mode) + bits(operand, 57, 63)
            row = row._replace(send=vcpu.kvm.find_vcpu(target))
        self._trapped[vcpu.index] = row
        return True

    # -- the emulation

    def _registers(self, vcpu: Vcpu) -> tuple[int, ...]:
        base = self.host.machine.area("vcpu") + SIZE * vcpu.index
        return tuple(self.words[base : base + SIZE])

    def _changed(self, vcpu: Vcpu, row: Trapped, allowed: frozenset[int]) -> str | None:
        """Name a register that is not what it was, those at the `allowed` offsets aside."""
        now = self._registers(vcpu)
        for offset, (was, value) in enumerate(zip(row.registers, now, strict=False)):
            if was != value and offset not in allowed:
                gpr = offset - OFFSETS["gpr"]
                names = (name for name, at in OFFSETS.items() if at == offset)
                return f"r{gpr}" if 0 <= gpr < 32 else next(names, f"word {offset}")
        return None

    def _emulated(self, vcpu: Vcpu) -> str | None:
        """The instruction is done: from here on its doorbell must be pending, or gone."""
        row = self._trapped.pop(vcpu.index, None)
        if row is None:
            return None
        if row.send is not None:
            self._sent.add(row.send.index)
        if row.clear is not None:
            self._sent.discard(row.clear.index)
        result = frozenset() if row.rt is None else frozenset({OFFSETS["gpr"] + row.rt})
        if name := self._changed(vcpu, row, OWN | result):
            return f"a doorbell instruction changes nothing else: {name} of {vcpu.name} changed"
        if row.registers and self.words[vcpu.arch.nia] != row.registers[OFFSETS["nia"]] + 4 & WORD:
            return f"an emulated instruction moves NIA by 4: {vcpu.name} is elsewhere"
        return self._read(vcpu, row)

    def _enters(self, vcpu: Vcpu) -> str | None:
        """An instruction that could not be fetched is executed again, as if nothing had been."""
        row = self._trapped.pop(vcpu.index, None)
        if row is None:
            return None
        if name := self._changed(vcpu, row, frozenset({OFFSETS["exit_word"]})):
            return f"a failed fetch changes nothing: {name} of {vcpu.name} changed"
        return None

    def _wrote(self, step: Step, target: Vcpu, value: int) -> str | None:
        """Only a doorbell instruction with a meaning changes doorbells, and only that one."""
        who = step.who
        if not isinstance(who, Vcpu) or (target is who and value):
            return None  # its exit saves what was pending in the hardware
        mode = who.kvm.emul_smt_mode
        if target.kvm is not who.kvm or (target.vcpu_id ^ who.vcpu_id) & -mode:
            return f"a doorbell stays in its virtual core: {who.name} wrote to {target.name}'s"
        row = self._trapped.get(who.index)
        if row is None or (row.send is target and value) or (row.clear is target and not value):
            return None
        if row.spr:
            return f"reading doorbells leaves them alone: {who.name} wrote to {target.name}'s"
        if row.send is None and row.clear is None:
            return f"a message without meaning does nothing: {who.name} wrote to {target.name}'s"
        return f"a doorbell goes to the thread that it names: {who.name} wrote to {target.name}'s"

    # -- what mfspr answers

    def _read(self, vcpu: Vcpu, row: Trapped) -> str | None:
        if row.rt is None:
            return None
        value = self.words[vcpu.gpr(row.rt)]
        thread = vcpu.vcpu_id & vcpu.kvm.emul_smt_mode - 1
        if row.spr == TIR and value != thread:
            return f"TIR is the vcpu id modulo the SMT mode: {vcpu.name} read {value}"
        return self._read_dpdes(vcpu, value, thread, row) if row.spr == DPDES else None

    def _read_dpdes(self, vcpu: Vcpu, value: int, thread: int, row: Trapped) -> str | None:
        """Who reads DPDES knows its own bit exactly, and none of vcpus that do not exist.

        The bits of others may be out of date.
        """
        kvm = vcpu.kvm
        for other in range(kvm.emul_smt_mode):
            absent = kvm.find_vcpu(vcpu.vcpu_id - thread + other) is None
            if absent and value >> other & 1:
                return f"DPDES has no bit of an absent vcpu: {vcpu.name} read {value:#b}"
        if value >> kvm.emul_smt_mode:
            return f"DPDES has a bit for each thread: {vcpu.name} read {value:#b}"
        if row.sent and not value >> thread & 1:
            return f"one's own bit of DPDES is exact: {vcpu.name} read {value:#b}, it was sent one"
        if value >> thread & 1 and vcpu.index not in self._sent | self._targets():
            return f"one's own bit of DPDES is exact: {vcpu.name} read {value:#b}, none was sent"
        return None

    # -- the state

    def _state(self) -> str | None:
        """Who was sent a doorbell has one pending, wherever nothing is under way."""
        words = self.words
        under_way = self._targets() | self._targets(clear=True)
        for vcpu in self.host.vcpus:
            if vcpu.index in under_way:
                continue
            inside = words[vcpu.thread_cpu]
            if inside and not isinstance(self.stands_at(vcpu.index), RunGuest):
                continue  # its doorbell is being moved in or out
            pending = words[vcpu.doorbell_request]
            if inside:
                pending |= words[vcpu.pcpu.subproc.dpdes]
            if pending and vcpu.index not in self._sent:
                return f"no doorbell is spurious: {vcpu.name} has one that nobody sent"
            if not pending and vcpu.index in self._sent:
                return f"no doorbell is lost: {vcpu.name} was sent one, and none is pending"
        return None
