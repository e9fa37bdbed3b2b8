"""The operations that host code yields: plain data, each at most one access to a shared word.

Host code is a generator; it yields one of these and is sent the answer. The engine
(csrc/engine.abi.h, which gives the exact meaning of each) performs it. Answers come from small
domains, because every answer is an edge of the learned automaton: a wide value is clamped,
matched against the values that matter, or moved without being looked at.

A ref is the number of a state word. Bits are numbered as the Power ISA does, most significant 0.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from emu.isa.hcalls import HCALLS

if TYPE_CHECKING:
    from emu.hv.event import Event

T = TypeVar("T")

Ref: TypeAlias = int
"""The word that a search must see an operation touch: a field of this type is in `Op.refs`.

A field of type int that is a ref as well names a word of the actor's own, or one that never moves.
"""

WORD = (1 << 64) - 1


class OpCode(IntEnum):
    """As `emu_op_code` of csrc/engine.abi.h; a test compares the two."""

    READ = 0
    CHECK = 1
    WRITE = 2
    COPY = 3
    CAS = 4
    OR = 5
    OR_UNLESS = 6
    AND = 7
    ADD = 8
    SUM = 9
    MIN = 10
    GATHER = 11
    SCATTER = 12
    AWAIT = 13
    RUN = 14
    FETCH = 15
    INJECT = 16
    ADVANCE = 17
    RANDOM = 18
    PUT_CHARS = 19
    GET_CHARS = 20
    TRACE = 21
    RELAX = 22
    CALL = 23
    STOP = 24
    EXTRACT = 25
    DEPOSIT = 26
    COMPARE = 27
    SWAP = 28
    COUNT = 29
    ACCUMULATE = 30


class Coded(NamedTuple):
    """An operation as the engine takes it; see `emu_node`."""

    op: OpCode
    ref: int = 0
    ref2: int = 0
    a: int = 0
    b: int = 0
    entries: int = 0
    pool: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """What host code yields."""

    def coded(self) -> Coded:
        """Encode for the engine."""
        raise NotImplementedError

    def answer(self, raw: int) -> Any:  # noqa: ANN401 - each operation answers in its own type
        """Turn the engine's answer into what host code is sent."""
        return raw

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes: its fields of type Ref."""
        return tuple(getattr(self, field.name) for field in fields(self) if field.type == "Ref")


@dataclass(frozen=True, slots=True)
class Question(Op):
    """An operation that answers yes or no."""

    def answer(self, raw: int) -> bool:
        """Answer as a truth value."""
        return bool(raw)


HostCode: TypeAlias = Generator[Op, Any, T]


# ---- conditions ---------------------------------------------------------------------------


class ConditionKind(IntEnum):
    """As `emu_cond_kind` of csrc/engine.abi.h; a test compares the two."""

    ANY = 0
    NONE = 1
    EQUAL = 2
    AT_LEAST = 3
    PAST = 4
    ALL_OUT = 5


class Condition(NamedTuple):
    """Something that holds or does not hold of one word."""

    kind: ConditionKind
    ref: int
    mask: int = WORD
    value: int = 0


def nonzero(ref: int, mask: int = WORD) -> Condition:
    """Any bit of the word under the mask is 1."""
    return Condition(ConditionKind.ANY, ref, mask)


def zero(ref: int, mask: int = WORD) -> Condition:
    """All bits of the word under the mask are 0."""
    return Condition(ConditionKind.NONE, ref, mask)


def equal(ref: int, value: int, mask: int = WORD) -> Condition:
    """The word under the mask has this value."""
    return Condition(ConditionKind.EQUAL, ref, mask, value)


def at_least(ref: int, value: int, mask: int = WORD) -> Condition:
    """The word under the mask has this unsigned value or a larger one."""
    return Condition(ConditionKind.AT_LEAST, ref, mask, value)


def past(ref: int) -> Condition:
    """The timebase has reached the word."""
    return Condition(ConditionKind.PAST, ref)


def all_out(ref: int) -> Condition:
    """Every thread that entered has exited: the word's two low bytes are equal."""
    return Condition(ConditionKind.ALL_OUT, ref)


# ---- reading ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read(Op):
    """Answers bits first:last of a word, no more than `limit`."""

    ref: Ref
    first: int = 0
    last: int = 63
    limit: int = WORD

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        return Coded(OpCode.READ, self.ref, 63 - self.last, mask, self.limit)


@dataclass(frozen=True, slots=True)
class OneOf(Op):
    """Answers bits first:last of a word if they are one of `values`, else None."""

    ref: Ref
    values: tuple[int, ...]
    first: int = 0
    last: int = 63

    def coded(self) -> Coded:
        """Encode for the engine."""
        mask = (1 << (self.last - self.first + 1)) - 1
        n = len(self.values)
        return Coded(OpCode.READ, self.ref, 63 - self.last, mask, 0, n, self.values)

    def answer(self, raw: int) -> int | None:
        """Give the value at the position that the engine found."""
        return self.values[raw] if raw < len(self.values) else None


@dataclass(frozen=True, slots=True)
class Check(Question):
    """Answers whether a condition holds now."""

    condition: Condition

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.CHECK, entries=1, pool=self.condition)

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes."""
        return (self.condition.ref,)


@dataclass(frozen=True, slots=True, init=False)
class Await(Op):
    """Waits until a condition holds, or until the time in the word `deadline`.

    Answers the position of the first condition that holds, or None when it was the time. It is
    the one operation that may look at several shared words: what it saw is only a reason to look
    again.
    """

    conditions: tuple[Condition, ...]
    deadline: int

    def __init__(self, *conditions: Condition, deadline: int = 0) -> None:
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "deadline", deadline)

    def coded(self) -> Coded:
        """Encode for the engine."""
        pool = tuple(word for condition in self.conditions for word in condition)
        return Coded(OpCode.AWAIT, self.deadline, entries=len(self.conditions), pool=pool)

    def answer(self, raw: int) -> int | None:
        """Tell a condition from the deadline."""
        return raw if raw < len(self.conditions) else None

    def refs(self) -> tuple[int, ...]:
        """List the words it reads or writes."""
        return tuple(condition.ref for condition in self.conditions)


# ---- writing ------------------------------------------------------------------------------


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


# ---- fields of words, and words of many values ---------------------------------------------


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
class Compare(Op):
    """Answers -1, 0 or 1: a word is less than, equal to or greater than another (unsigned)."""

    left: Ref
    right: Ref

    def coded(self) -> Coded:
        """Encode for the engine."""
        return Coded(OpCode.COMPARE, self.left, self.right)

    def answer(self, raw: int) -> int:
        """Give the order as the sign of left - right."""
        return raw - 1


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


# ---- the guest ----------------------------------------------------------------------------


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


# ---- the world outside --------------------------------------------------------------------


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
