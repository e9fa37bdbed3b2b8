"""Operations on what lies outside of the state, and the end of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.hv.ops.op import Coded, Op, OpCode

if TYPE_CHECKING:
    from emu.hv.event import Event


@dataclass(frozen=True, slots=True)
class PutChars(Op):
    """Appends to a console up to 16 bytes of two words, as H_PUT_TERM_CHAR holds them.

    count: ref of their number. position: ref of how many the console has had.
    """

    console: int
    chars: int
    count: int
    position: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.PUT_CHARS, self.chars, self.count, self.console, self.position)


@dataclass(frozen=True, slots=True)
class GetChars(Op):
    """Takes up to 16 bytes of console input into two words, their number into `count`."""

    console: int
    chars: int
    count: int
    position: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.GET_CHARS, self.chars, self.count, self.console, self.position)


@dataclass(frozen=True, slots=True)
class CountInMemory(Op):
    """Adds 1 to a 32-bit big-endian word of a VM's memory; `address`: ref of where, 0 = nowhere."""

    vm: int
    address: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.COUNT, self.address, a=self.vm)


@dataclass(frozen=True, slots=True)
class Trace(Op):
    """Counts an event of a vcpu; with a ref, a trace also shows that word's value."""

    event: Event
    vcpu: int
    ref: int = 0

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.TRACE, self.ref, a=self.event.number, b=self.vcpu)


@dataclass(frozen=True, slots=True)
class Relax(Op):
    """Lets the others go first: the actor's turn is over."""

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.RELAX)


@dataclass(frozen=True, slots=True)
class Call(Op):
    """Asks Python outside the automaton to handle an hcall; answers 0. See `Vm.on_hcall`."""

    hcall: int
    vcpu: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.CALL)


@dataclass(frozen=True, slots=True)
class Stop(Op):
    """Ends the run with the status in a word."""

    status: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.STOP, self.status)
