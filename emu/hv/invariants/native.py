"""Doorbells of the hardware (POWER8): DPDES goes into the core and out of it with the vcore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.core.machine import Deed
from emu.hv.invariants.family import Family, Step, written
from emu.hv.ops import RunGuest
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.core.machine import Logged
    from emu.hv.host import Host
    from emu.hv.invariants.family import StandsAt
    from emu.hv.kvm import Vcore
    from emu.hv.ops import Op

DOORBELL: Final = INTERRUPTS["doorbell"].vector
PR: Final = mask("MSR", "PR")


class NativeDoorbells(Family):
    """DPDES has the bits of those who were sent a doorbell, in the core or saved."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._watched = {
            *(cpu.subproc.dpdes for cpu in host.cpus),
            *(cpu.subproc.lpid for cpu in host.cpus),
            *(vcore.dpdes for vcore in host.vcores),
            *(vcore.in_guest for vcore in host.vcores),
        }
        # By vcore: bit = number of the thread, whoever runs there.
        self._sent = [self.words[self._dpdes(vcore)] for vcore in host.vcores]

    def wants(self, op: Op) -> bool:
        """It looks at guests, and at the words that hold doorbells."""
        if not self.host.generation.native_doorbells:
            return False
        return isinstance(op, RunGuest) or written(op) in self._watched

    def after(self, step: Step) -> str | None:
        """Follow what guests do, and compare with what the host holds."""
        if step.before:
            privileged = not step.before.msr & PR
            for deed in step.deeds:
                if sentence := self._follow(deed, step.before.cpu.tir, privileged=privileged):
                    return sentence
                privileged |= deed.deed is Deed.INTERRUPT
        return self._state()

    def idle(self) -> str | None:
        """Nobody sleeps for ever with a doorbell."""
        for vcpu in self.host.vcpus if self.host.generation.native_doorbells else ():
            if self.words[vcpu.ceded] and self._sent[vcpu.vcore.host_number] >> vcpu.ptid & 1:
                return f"no vcpu sleeps in H_CEDE with an event pending: {vcpu.name}, DPDES"
        return None

    def _follow(self, deed: Logged, tir: int, *, privileged: bool) -> str | None:
        vcpu = self.host.vcpus[deed.vcpu]
        number, mine = vcpu.vcore.host_number, 1 << tir
        if deed.deed is not Deed.INTERRUPT and not privileged:
            return f"problem state does not get at doorbells: {vcpu.name} executed one"
        if deed.deed is Deed.SEND:
            self._sent[number] |= 1 << deed.argument
        elif deed.deed is Deed.CLEAR:
            self._sent[number] &= ~mine
        elif deed.deed is Deed.INTERRUPT and deed.argument == DOORBELL:
            if not self._sent[number] & mine:
                return f"no doorbell is spurious: {vcpu.name} took one that nobody sent"
            self._sent[number] &= ~mine
        return None

    def _dpdes(self, vcore: Vcore) -> int:
        """Return the ref of a vcore's DPDES: the hardware's while it is in the guest."""
        subproc = vcore.threads[0].subproc
        inside = self.words[vcore.in_guest] and self.words[subproc.lpid] == vcore.kvm.lpid
        return subproc.dpdes if inside else vcore.dpdes

    def _state(self) -> str | None:
        words = self.words
        for vcore, sent in zip(self.host.vcores, self._sent, strict=True):
            lpid = words[vcore.threads[0].subproc.lpid]
            if words[vcore.in_guest] and lpid != vcore.kvm.lpid:
                continue  # it is being saved
            pending = words[self._dpdes(vcore)]
            if pending & ~sent:
                return f"no doorbell is spurious: {vcore.name} has {pending:#b}, sent {sent:#b}"
            if sent & ~pending:
                return f"no doorbell is lost: {vcore.name} has {pending:#b}, sent {sent:#b}"
        return None
