"""Operations on the guest, and on time and chance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from emu.hv.ops.op import WORD, Coded, Op, OpCode, Question
from emu.isa.hcalls import HCALLS


class Reason(IntEnum):
    """Why the guest was left; as `emu_exit_reason`, a test compares the two."""

    BUDGET = 0
    HCALL = 1
    HFAC_UNAVAIL = 2
    EMUL_ASSIST = 3
    HDEC = 4
    H_DOORBELL = 5
    EXTERNAL = 6
    UNHANDLED = 7
    BREAKPOINT = 8
    STOP = 9
    NO_VCPU = 10


class Exit(NamedTuple):
    """Why the guest was left. detail: hcall number, or None for one unknown; facility number."""

    reason: Reason
    detail: int | None = None


@dataclass(frozen=True, slots=True)
class RunGuest(Op):
    """Runs the guest on a hardware thread until it exits, and notes in a word why."""

    thread: int
    trap: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.RUN, self.trap, a=self.thread)


@dataclass(frozen=True, slots=True)
class ReadTrap(Op):
    """Answers what RunGuest noted, as an Exit."""

    trap: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.READ, self.trap, a=WORD, b=WORD)

    def answer(self, raw: int) -> Exit:
        """Decode reason | detail << 8."""
        reason, detail = Reason(raw & 0xFF), raw >> 8
        if reason is Reason.HCALL:
            return Exit(reason, HCALLS[detail - 1].number if detail else None)
        return Exit(reason, detail)


@dataclass(frozen=True, slots=True)
class Fetch(Question):
    """Reads the instruction at a vcpu's NIA into its exit_word; answers whether it could."""

    vcpu: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.FETCH, a=self.vcpu)


@dataclass(frozen=True, slots=True)
class Inject(Op):
    """Makes the vcpu on a hardware thread take an interrupt, with these SRR1 bits."""

    thread: int
    vector: int
    srr1: int = 0

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.INJECT, 0, self.srr1, self.thread, self.vector)


@dataclass(frozen=True, slots=True)
class Advance(Op):
    """Steps a vcpu over the instruction that was emulated."""

    vcpu: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.ADVANCE, a=self.vcpu)


@dataclass(frozen=True, slots=True)
class Random(Op):
    """Sets a word to 64 bits of the machine's random source."""

    ref: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.RANDOM, self.ref)
