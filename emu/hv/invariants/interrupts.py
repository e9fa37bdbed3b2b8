"""When interrupts come, and what time it is, as far as a guest may rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.invariants.family import Before, Family, Step
from emu.hv.ops import RunGuest
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.hv.host import Host
    from emu.hv.invariants.family import StandsAt
    from emu.hv.kvm import HostThread, Vcpu
    from emu.hv.ops import Op

DECREMENTER: Final = INTERRUPTS["decrementer"].vector
LPCR_LD: Final = mask("LPCR", "LD")


def _external(host: Host, vcpu: Vcpu, cpu: HostThread) -> bool:  # noqa: ARG001 - as the others
    return bool(host.words[vcpu.arch.external_pending])


def _doorbell(host: Host, vcpu: Vcpu, cpu: HostThread) -> bool:  # noqa: ARG001 - as the others
    return bool(host.words[cpu.subproc.dpdes] >> cpu.tir & 1)


def _decrementer(host: Host, vcpu: Vcpu, cpu: HostThread) -> bool:
    words = host.words
    if not words[vcpu.arch.dec_armed]:
        return False
    return is_due(words[vcpu.arch.dec_expires], host.guest_tb(vcpu), words[cpu.thread.lpcr])


def is_due(expires: int, now: int, lpcr: int) -> bool:
    """Whether DEC is negative; it wraps, so it is positive again half its range later."""
    nbits = 56 if lpcr & LPCR_LD else 32
    return not (now - expires) >> nbits - 1 & 1


PENDING: Final[dict[str, Callable[[Host, Vcpu, HostThread], bool]]] = {
    "an external interrupt": _external,
    "a decrementer interrupt": _decrementer,
    "a doorbell": _doorbell,
}


class Interrupts(Family):
    """Looks at guests only."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._tb = {vcpu.index: 0 for vcpu in host.vcpus}

    def wants(self, op: Op) -> bool:
        """It looks at what guests have executed."""
        return isinstance(op, RunGuest)

    def after(self, step: Step) -> str | None:
        """Look at a guest that ran."""
        before = step.before
        if before is None:
            return None
        if self.words[before.vcpu.arch.ic] != before.insns:
            sentence = self._ran_on(step, before) or self._too_long(before) or self._time(before)
            if sentence:
                return sentence
        return self._early(step, before)

    def idle(self) -> str | None:
        """Nobody sleeps for ever with an interrupt pending, or its decrementer running."""
        words = self.words
        for vcpu in self.host.vcpus:
            for name in ("prodded", "pending_exceptions"):
                if words[vcpu.ceded] and words[getattr(vcpu, name)]:
                    return f"no vcpu sleeps in H_CEDE with an event pending: {vcpu.name}, {name}"
            if words[vcpu.ceded] and words[vcpu.arch.dec_armed] and not words[vcpu.in_userspace]:
                return f"no vcpu sleeps for ever with its decrementer running: {vcpu.name}"
        return None

    def _ran_on(self, step: Step, before: Before) -> str | None:
        if before.pending and not step.interrupts:
            return (
                f"what is pending and let through comes before the next instruction: "
                f"{before.vcpu.name} ran on at {before.nia:#x} with {before.pending}"
            )
        return None

    def _too_long(self, before: Before) -> str | None:
        expires, now = self.words[before.cpu.thread.hdec_expires], self.host.machine.state.tb
        if expires < now:
            return (
                f"no guest instruction runs with HDEC below zero: {before.vcpu.name} ran "
                f"{now - expires} ticks longer"
            )
        return None

    def _time(self, before: Before) -> str | None:
        vcpu, offset = before.vcpu, self.words[before.cpu.subproc.tb_offset]
        if offset != vcpu.kvm.tb_offset:
            return (
                f"the guest's timebase is the host's and its own offset: {vcpu.name} ran with "
                f"{offset:#x}, its VM has {vcpu.kvm.tb_offset:#x}"
            )
        if before.tb < self._tb[vcpu.index]:
            return f"time does not go back: {vcpu.name} ran at {before.tb} again"
        self._tb[vcpu.index] = self.host.machine.state.tb
        return None

    def _early(self, step: Step, before: Before) -> str | None:
        """DEC comes when it is due; a guest that set it in this very step is given the benefit."""
        vcpu, words = before.vcpu, self.words
        expires = words[vcpu.arch.dec_expires]
        for deed in step.interrupts:
            if deed.argument == DECREMENTER and before.dec == (expires, words[vcpu.arch.dec_armed]):
                now = deed.tb + vcpu.kvm.tb_offset
                if not before.dec[1] or not is_due(expires, now, words[before.cpu.thread.lpcr]):
                    return f"a decrementer interrupt does not come early: {vcpu.name} at {now}"
        return None
