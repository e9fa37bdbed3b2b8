"""Operations that change a word."""

from __future__ import annotations

from dataclasses import dataclass

from emu.hv.ops.op import WORD, Coded, Op, OpCode, Question, Ref


@dataclass(frozen=True, slots=True)
class Write(Op):
    """Sets a word to a constant."""

    ref: Ref
    value: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.WRITE, self.ref, a=self.value)


@dataclass(frozen=True, slots=True)
class Copy(Op):
    """Sets a word to another's value, which host code does not look at."""

    ref: Ref
    source: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.COPY, self.ref, self.source)


@dataclass(frozen=True, slots=True)
class Sum(Op):
    """Sets a word to another's value plus a constant, modulo 2**64."""

    ref: Ref
    source: Ref
    addend: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.SUM, self.ref, self.source, self.addend & WORD)


@dataclass(frozen=True, slots=True)
class Accumulate(Op):
    """Adds another word to a word, modulo 2**64."""

    ref: Ref
    source: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.ACCUMULATE, self.ref, self.source)


@dataclass(frozen=True, slots=True)
class Minimum(Op):
    """Lowers a word to another's value if that is less (unsigned)."""

    ref: Ref
    source: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.MIN, self.ref, self.source)


@dataclass(frozen=True, slots=True)
class CompareAndSet(Question):
    """Atomically replaces `old` by `new`; answers whether the word was `old`."""

    ref: Ref
    old: int
    new: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.CAS, self.ref, a=self.old, b=self.new)


@dataclass(frozen=True, slots=True)
class Or(Question):
    """Atomically sets bits, unless the word is `limit` or more; answers whether it did."""

    ref: Ref
    bits: int
    limit: int = WORD

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.OR, self.ref, a=self.bits, b=self.limit)


@dataclass(frozen=True, slots=True)
class OrUnless(Question):
    """Atomically sets bits unless the result would be `full`; answers whether it did."""

    ref: Ref
    bits: int
    full: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.OR_UNLESS, self.ref, a=self.bits, b=self.full)


@dataclass(frozen=True, slots=True)
class Clear(Op):
    """Atomically clears bits."""

    ref: Ref
    bits: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.AND, self.ref, a=~self.bits & WORD)


@dataclass(frozen=True, slots=True)
class Add(Question):
    """Atomically adds, unless the word is `limit` or more; answers whether it did."""

    ref: Ref
    addend: int
    limit: int = WORD

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.ADD, self.ref, a=self.addend & WORD, b=self.limit)


@dataclass(frozen=True, slots=True)
class Gather(Op):
    """Copies the GPR that a 5-bit field of an instruction names: word := gpr[field]."""

    ref: Ref
    gprs: int
    instruction: int
    last: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.GATHER, self.ref, self.instruction, self.gprs, 63 - self.last)


@dataclass(frozen=True, slots=True)
class Scatter(Op):
    """Copies to the GPR that a 5-bit field of an instruction names: gpr[field] := word."""

    ref: Ref
    gprs: int
    instruction: int
    last: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.SCATTER, self.ref, self.instruction, self.gprs, 63 - self.last)


@dataclass(frozen=True, slots=True)
class Extract(Op):
    """Sets a word to bits first:last of another, right-adjusted."""

    ref: Ref
    source: Ref
    first: int
    last: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        return Coded(OpCode.EXTRACT, self.ref, self.source, mask, 63 - self.last)


@dataclass(frozen=True, slots=True)
class Deposit(Op):
    """Sets bits first:last of a word to the low bits of another."""

    ref: Ref
    source: Ref
    first: int
    last: int

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        return Coded(OpCode.DEPOSIT, self.ref, self.source, mask, 63 - self.last)


@dataclass(frozen=True, slots=True)
class CompareAndSwap(Question):
    """Atomically replaces the value that is in `old` by that in `new`; answers whether it did.

    A value that host code computes in private words goes back this way.
    """

    ref: Ref
    old: Ref
    new: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.SWAP, self.ref, self.old, a=self.new)
