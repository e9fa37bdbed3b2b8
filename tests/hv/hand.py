"""Drives host code by hand: each actor one operation at a time, in the order the test wants.

Operations are performed here in Python, independently of csrc/engine.c, on a dictionary of words;
guests are scripted: an actor that runs its guest waits until the test says how it exits.
"""

from __future__ import annotations

from emu.hv.generation import GENERATIONS
from emu.hv.kvm import Window
from emu.hv.ops import Await, Coded, ConditionKind, Exit, Op, OpCode, Reason, RunGuest, Trace
from emu.hv.state import Layout
from emu.hv.topology import Hardware, VmSpec, lay_out
from emu.isa.hcalls import HCALLS

WORD = (1 << 64) - 1
FIRST_HOST_WORD = 1_000_000


class Hand:
    """The words of a host and the actors on it."""

    def __init__(self, smt=1, vcpu_ids=None, host="power9", cores=1, irqs=(), policy=None):
        self.words = {}
        self._refs = {}
        self._next = 1
        self.layout = Layout(FIRST_HOST_WORD)
        hardware = Hardware(GENERATIONS[host], cores)
        ids = range(smt) if vcpu_ids is None else vcpu_ids
        spec = VmSpec(smt, ids, irqs)
        top = lay_out(self.layout, hardware, [spec], self.window, policy)
        self.cpus, self.kvms, self.vcores, self.vcpus = top
        for i, word in enumerate(self.layout.words):
            self.words[FIRST_HOST_WORD + i] = word.initial

    def window(self, struct, index):
        """Give a struct whose fields come into being when they are named."""
        return AnyField(self, struct, index)

    def ref(self, name, count=1):
        if name not in self._refs:
            self._refs[name] = self._next
            self._next += count
        return self._refs[name]

    def __getitem__(self, ref):
        return self.words.get(ref, 0)

    def __setitem__(self, ref, value):
        self.words[ref] = value & WORD

    def start(self, generator):
        return Actor(self, generator)

    @property
    def tb(self):
        return self[self.cpus[0].timebase]


class AnyField:
    def __init__(self, hand, struct, index):
        self._hand, self._name = hand, f"{struct}{index}"

    def __getattr__(self, name):
        return self._hand.ref(f"{self._name}.{name}", 32 if name == "gpr" else 1)


class Actor:
    """Some host code, standing before its next operation `op`; None when it has returned."""

    def __init__(self, hand, generator):
        self.hand = hand
        self.generator = generator
        self.log = []
        self.result = None
        self.op = None
        self._send(None)

    def _send(self, answer):
        try:
            self.op = self.generator.send(answer)
        except StopIteration as stop:
            self.op = None
            self.result = stop.value

    @property
    def done(self):
        return self.op is None

    @property
    def waits(self):
        return isinstance(self.op, Await) and self._await(self.op.coded()) is None

    @property
    def in_guest(self):
        return isinstance(self.op, RunGuest)

    @property
    def events(self):
        return [op.event.name for op in self.log if isinstance(op, Trace)]

    def step(self, raw=None):
        """Perform the next operation; raw overrides its answer."""
        op = self.op
        assert isinstance(op, Op), "the host code has returned"
        answer = perform(self.hand, op.coded()) if raw is None else raw
        self.log.append(op)
        self._send(op.answer(answer))

    def _await(self, coded):
        return awaited(self.hand, coded)

    def run(self):
        """Go on until it enters the guest, waits, or returns."""
        while not (self.done or self.in_guest or self.waits):
            self.step()
        return self

    def until(self, op):
        """Go on until it stands before this operation."""
        while self.op != op:
            stuck = self.done or self.in_guest or self.waits
            assert not stuck, f"never came to {op}"
            self.step()
        return self

    def exit(self, reason, detail=0):
        """Let the guest exit; detail: hcall or facility number."""
        assert self.in_guest
        if reason is Reason.HCALL:
            detail = 1 + [row.number for row in HCALLS].index(detail)
        self.hand[self.op.trap] = reason | detail << 8
        self.log.append(self.op)
        self._send(0)
        return self


def holds(hand, kind, ref, mask, value):
    word = hand[ref]
    return {
        ConditionKind.ANY: word & mask != 0,
        ConditionKind.NONE: word & mask == 0,
        ConditionKind.EQUAL: word & mask == value,
        ConditionKind.AT_LEAST: word & mask >= value,
        ConditionKind.PAST: hand.tb >= word,
        ConditionKind.ALL_OUT: word >> 8 & 0xFF == word & 0xFF,
    }[ConditionKind(kind)]


def awaited(hand, coded):
    for i in range(coded.entries):
        if holds(hand, *coded.pool[4 * i : 4 * i + 4]):
            return i
    return coded.entries if coded.ref and hand.tb >= hand[coded.ref] else None


def perform(hand, c: Coded):
    """Do what the operation says; returns the raw answer."""
    match c.op:
        case OpCode.READ:
            value = hand[c.ref] >> c.ref2 & c.a
            if c.entries:
                return c.pool.index(value) if value in c.pool else c.entries
            return min(value, c.b)
        case OpCode.CHECK:
            return int(holds(hand, *c.pool))
        case OpCode.WRITE:
            hand[c.ref] = c.a
        case OpCode.COPY:
            hand[c.ref] = hand[c.ref2]
        case OpCode.CAS:
            if hand[c.ref] != c.a:
                return 0
            hand[c.ref] = c.b
            return 1
        case OpCode.OR:
            if hand[c.ref] >= c.b:
                return 0
            hand[c.ref] |= c.a
            return 1
        case OpCode.OR_UNLESS:
            if hand[c.ref] | c.a == c.b:
                return 0
            hand[c.ref] |= c.a
            return 1
        case OpCode.AND:
            hand[c.ref] &= c.a
        case OpCode.ADD:
            if hand[c.ref] >= c.b:
                return 0
            hand[c.ref] += c.a
            return 1
        case OpCode.SUM:
            hand[c.ref] = hand[c.ref2] + c.a
        case OpCode.ACCUMULATE:
            hand[c.ref] += hand[c.ref2]
        case OpCode.MIN:
            hand[c.ref] = min(hand[c.ref], hand[c.ref2])
        case OpCode.EXTRACT:
            hand[c.ref] = hand[c.ref2] >> c.b & c.a
        case OpCode.DEPOSIT:
            hand[c.ref] = hand[c.ref] & ~(c.a << c.b) | (hand[c.ref2] & c.a) << c.b
        case OpCode.COMPARE:
            return (hand[c.ref] > hand[c.ref2]) - (hand[c.ref] < hand[c.ref2]) + 1
        case OpCode.SWAP:
            if hand[c.ref] != hand[c.ref2]:
                return 0
            hand[c.ref] = hand[c.a]
            return 1
        case OpCode.GATHER:
            hand[c.ref] = hand[c.a + (hand[c.ref2] >> c.b & 31)]
        case OpCode.SCATTER:
            hand[c.a + (hand[c.ref2] >> c.b & 31)] = hand[c.ref]
        case OpCode.AWAIT:
            which = awaited(hand, c)
            assert which is not None, "stepped an actor that waits"
            return which
        case OpCode.FETCH:
            return 1
        case OpCode.ADVANCE:
            hand[hand.ref(f"vcpu{c.a}.nia")] += 4
        case OpCode.RANDOM:
            hand[c.ref] = 4
        case OpCode.INJECT | OpCode.TRACE | OpCode.RELAX | OpCode.STOP:
            pass
        case _:
            raise AssertionError(f"{c.op!r} cannot be done by hand")
    return 0


__all__ = ["Actor", "Exit", "Hand", "Reason", "Window"]
