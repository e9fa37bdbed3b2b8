"""H_CEDE, H_PROD and naps: a prod is an H_PROD's, ends one H_CEDE, and that returns as it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.invariants.family import Family, Step, written
from emu.hv.kvm import Vcpu
from emu.hv.ops import RunGuest, Trace
from emu.isa.hcalls import BY_NAME
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.invariants.family import Before, StandsAt
    from emu.hv.ops import Op

EE: Final = mask("MSR", "EE")
H_PROD: Final = BY_NAME["H_PROD"].number
EVENTS: Final = (Event.CEDE, Event.NAP, Event.BLOCKED, Event.ENTER)


class Cede(Family):
    """Looks at who sleeps, and at who comes back."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        # Prods that nobody has used up, and vcpus whose H_CEDE one has ended, until they enter.
        self._prods = {vcpu.prodded: vcpu for vcpu in host.vcpus}
        self._prodded = {vcpu.index: bool(self.words[vcpu.prodded]) for vcpu in host.vcpus}
        self._used: set[int] = set()
        self._ceding: set[int] = set()

    def wants(self, op: Op) -> bool:
        """It looks at guests, prods, and at events of H_CEDE."""
        if isinstance(op, Trace):
            return op.event in EVENTS
        return isinstance(op, RunGuest) or written(op) in self._prods

    def after(self, step: Step) -> str | None:
        """Look at a step of somebody who cedes, sleeps, prods or enters."""
        if (ref := written(step.op)) in self._prods:
            return self._note(self._prods[ref], step)
        match step.op:
            case RunGuest() if step.before:
                return self._in_guest(step.before)
            case Trace(event=Event.CEDE, vcpu=index):
                self._ceding.add(index)
            case Trace(event=Event.NAP, vcpu=index):
                return self._sleeps(self.host.vcpus[index])
            case Trace(event=Event.BLOCKED, vcpu=index):
                siblings = self.host.vcpus[index].vcore.vcpus
                return next(filter(None, map(self._sleeps, siblings)), None)
            case Trace(event=Event.ENTER, vcpu=index):
                return self._returns(self.host.vcpus[index])
        return None

    def _note(self, vcpu: Vcpu, step: Step) -> str | None:
        before, prodded = self._prodded[vcpu.index], bool(self.words[vcpu.prodded])
        self._prodded[vcpu.index] = prodded
        if before and not prodded:
            self._used.add(vcpu.index)
        if prodded and not before:
            prods = isinstance(step.who, Vcpu) and self.hcall(step.who) == H_PROD
            return None if prods else f"only an H_PROD prods: {step.who.name} prodded {vcpu.name}"
        return None

    def _sleeps(self, vcpu: Vcpu) -> str | None:
        """A prod that is used up has ended an H_CEDE: this one, or the one before."""
        if vcpu.index in self._used and self.words[vcpu.ceded]:
            return f"a prod ends one H_CEDE: {vcpu.name} used one up, and sleeps on"
        return None

    def _returns(self, vcpu: Vcpu) -> str | None:
        if vcpu.index not in self._ceding:
            return None
        self._ceding.discard(vcpu.index)
        if self.words[vcpu.gpr(3)]:
            return f"H_CEDE returns 0: {vcpu.name} got {self.words[vcpu.gpr(3)]:#x}"
        if not self.words[vcpu.arch.msr] & EE:
            return f"H_CEDE returns with MSR[EE] set: {vcpu.name}'s is clear"
        return None

    def _in_guest(self, before: Before) -> str | None:
        vcpu, cpu = before.vcpu, before.cpu
        self._used.discard(vcpu.index)
        if self.words[vcpu.vcore.napping_threads] >> cpu.tir & 1:
            return f"a thread that runs a guest does not nap: {vcpu.name} ran on {cpu.name}"
        return None
