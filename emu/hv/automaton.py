"""Learns host code: turns generators into nodes and edges that C can walk.

A node stands for a place in host code: the operation that is yielded there and, along the chain
of generators that delegate to each other, the code object, the instruction at which it is
suspended, and the local variables that it may still read. Two histories of answers that lead to
the same place are one node, because what a generator does next depends on nothing else: host code
may look only at its arguments, at constants, and at the answers it is sent. `plain.py` refuses
host code whose place would hide state elsewhere; `Host.check_learned` compares learned steps with
the generators' own.

Refuses: host code that yields something else than an operation, delegates to something else than
a generator, or keeps unhashable locals (HostCodeError, a defect of the hypervisor).
"""

from __future__ import annotations

import dis
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from emu.hv.edit import in_force
from emu.hv.ops import HostCode, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import CodeType, FrameType

# A hostile guest chooses answers, never operations; so this many from one node is a defect.
MAX_ANSWERS = 4096

HERE_ONLY = "JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_ABSOLUTE JUMP RETURN_VALUE"
NO_FALL_THROUGH = frozenset([*HERE_ONLY.split(), "RETURN_CONST", "RAISE_VARARGS", "RERAISE"])


class HostCodeError(AssertionError):
    """Host code that cannot be learned. Names the function and what is wrong with it."""


class Walker(Protocol):
    """Where nodes and edges go: the C engine, or a stand-in in tests."""

    def add_node(self, op: Op) -> int:
        """Return the number of a new node, from 1."""

    def add_edge(self, node: int, answer: int, target: int) -> None:
        """Lead from a node to another, or to 0: the host code returned."""


class Place(NamedTuple):
    """One generator of the chain, for people: where it is suspended, with its live locals."""

    function: str
    file: str
    line: int
    live: dict[str, object]


class Step(NamedTuple):
    """A line of host code: what a node is, whatever its locals and on whatever machine."""

    function: str
    line: int


class _Node(NamedTuple):
    op: Op
    root: Callable[[], HostCode[None]]
    parent: int
    answer: int


class Automaton:
    """All that has been learned about one hypervisor; any number of runs can share it.

    It is about the host code as it was when the automaton was made: with other edits in force
    (`edit.py`) nothing can be learned or told.
    """

    def __init__(self, walker: Walker) -> None:
        self._edits = in_force()
        self._walker = walker
        self._nodes: list[_Node | None] = [None]
        self._at: dict[Hashable, int] = {}
        self._edges: dict[tuple[int, int], int] = {}
        self._answers: list[int] = [0]
        # Generators that stand at a node already, so that its history need not be run again.
        self._parked: dict[int, HostCode[None]] = {}
        self._functions: dict[int, tuple[str, ...]] = {}
        self._chains: list[tuple[tuple[CodeType, int], ...]] = [()]
        self.evaluations = 0

    def __len__(self) -> int:
        """Count the nodes."""
        return len(self._nodes) - 1

    def root(self, start: Callable[[], HostCode[None]]) -> int:
        """Learn where host code begins; returns its first node, or 0 if it has nothing to do."""
        self._must_be_the_same_code()
        generator = start()
        return self._enter(generator, _advance(generator, None), start, 0, 0)

    def op(self, node: int) -> Op:
        """Return the operation of a node."""
        return self._known(node).op

    def edge(self, node: int, raw: int) -> int | None:
        """Return where an answer leads, or None if that has not been learned."""
        return self._edges.get((node, raw))

    def expand(self, node: int, raw: int) -> int:
        """Learn where the raw answer leads from a node; returns that node, or 0."""
        known = self._edges.get((node, raw))
        if known is not None:
            return known
        self._must_be_the_same_code()
        self._answers[node] += 1
        if self._answers[node] > MAX_ANSWERS:
            raise HostCodeError(f"{self._known(node).op} has more than {MAX_ANSWERS} answers")
        generator = self._parked.pop(node, None) or self._resume(node)
        here = self._known(node)
        self.evaluations += 1
        op = _advance(generator, here.op.answer(raw))
        target = self._enter(generator, op, here.root, node, raw)
        self._edges[node, raw] = target
        self._walker.add_edge(node, raw, target)
        return target

    def history(self, node: int) -> list[int]:
        """Return the raw answers that first led to a node."""
        answers = []
        while (here := self._known(node)).parent:
            answers.append(here.answer)
            node = here.parent
        return answers[::-1]

    def where(self, node: int) -> list[Place]:
        """Say where in the source a node stands, outermost call first."""
        return [_place(frame) for frame in _frames(self._resume(node))]

    def functions(self, node: int) -> tuple[str, ...]:
        """Name the functions that a node stands in, outermost call first."""
        known = self._functions.get(node)
        if known is None:
            known = tuple(place.function for place in self.where(node))
            self._functions[node] = known
        return known

    def chain(self, node: int) -> tuple[Step, ...]:
        """Name the calls and the line in each that a node stands at, outermost first."""
        return tuple(
            Step(code.co_qualname, _lines(code).get(at, code.co_firstlineno))
            for code, at in self._chains[node]
        )

    def start(self, node: int) -> HostCode[None]:
        """Return a fresh generator that stands at a node."""
        return self._resume(node)

    def verify(self) -> int:
        """Run every learned step once more in Python; returns how many there are.

        Raises HostCodeError if host code does something else than what was learned, which means
        that it depends on what its place does not show.
        """
        self._must_be_the_same_code()
        for (node, raw), target in self._edges.items():
            generator = self._known(node).root()
            here: Op | None = _advance(generator, None)
            for answer in (*self.history(node), raw):
                if here is None:
                    raise HostCodeError(f"host code returned before node {node}")
                here = _advance(generator, here.answer(answer))
            learned = self._known(target).op if target else None
            if here != learned:
                raise HostCodeError(f"{_name(generator)} yields {here}, but {learned} was learned")
        return len(self._edges)

    def _must_be_the_same_code(self) -> None:
        if in_force() != self._edits:
            raise HostCodeError("host code was edited after it had been learned")

    def _known(self, node: int) -> _Node:
        here = self._nodes[node]
        if here is None:
            raise HostCodeError("node 0 is the end of host code")
        return here

    def _resume(self, node: int) -> HostCode[None]:
        """Run the node's history, from the nearest ancestor with a parked generator."""
        self._must_be_the_same_code()
        path = []
        at = node
        while at not in self._parked and self._known(at).parent:
            here = self._known(at)
            path.append((self._known(here.parent).op, here.answer))
            at = here.parent
        generator = self._parked.pop(at, None)
        if generator is None:
            generator = self._known(at).root()
            _advance(generator, None)
        for op, raw in reversed(path):
            _advance(generator, op.answer(raw))
        return generator

    def _enter(
        self,
        generator: HostCode[None],
        op: Op | None,
        root: Callable[[], HostCode[None]],
        parent: int,
        raw: int,
    ) -> int:
        """Find or make the node at which a generator now stands."""
        if op is None:
            return 0
        # The operation belongs to the place: what it was made of may not be read again.
        key = (op, place_key(generator))
        node = self._at.get(key)
        if node is None:
            node = self._walker.add_node(op)
            self._at[key] = node
            self._nodes.append(_Node(op, root, parent, raw))
            self._answers.append(0)
            frames = _frames(generator)
            self._chains.append(tuple((frame.f_code, frame.f_lasti) for frame in frames))
        self._parked[node] = generator
        return node


def _name(generator: HostCode[None]) -> str:
    return " > ".join(frame.f_code.co_qualname for frame in _frames(generator))


def _advance(generator: HostCode[None], answer: object) -> Op | None:
    """Send an answer; None when the host code returned."""
    try:
        op = generator.send(answer)
    except StopIteration:
        return None
    if not isinstance(op, Op):
        raise HostCodeError(f"{_name(generator)} yields {op!r}, not an operation")
    return op


def _frames(generator: HostCode[None]) -> list[FrameType]:
    """List the frames of a suspended generator and of those it delegates to."""
    frames = []
    inner: Any = generator
    while inner is not None:
        frame = getattr(inner, "gi_frame", None)
        if frame is None:
            raise HostCodeError(f"host code delegates to {inner!r}, not to a generator")
        frames.append(frame)
        inner = inner.gi_yieldfrom
    return frames


def place_key(generator: HostCode[None]) -> Hashable:
    """Identify the place of a suspended generator; equal keys have equal futures."""
    key: list[Hashable] = []
    for frame in _frames(generator):
        values = frame.f_locals
        live = live_locals(frame.f_code)[frame.f_lasti]
        key += (frame.f_code, frame.f_lasti, *(values.get(name, _UNBOUND) for name in live))
    result = tuple(key)
    try:
        hash(result)
    except TypeError as error:
        raise HostCodeError(f"{_name(generator)} keeps a local that is {error}") from None
    return result


_UNBOUND = object()


@cache
def _lines(code: CodeType) -> dict[int, int]:
    """The line of each instruction that has one, by its offset."""
    return {
        at: line for first, end, line in code.co_lines() if line for at in range(first, end, 2)
    }


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    live = {name: frame.f_locals.get(name) for name in live_locals(code)[frame.f_lasti]}
    return Place(code.co_qualname, code.co_filename, frame.f_lineno, live)


@cache
def live_locals(code: CodeType) -> dict[int, tuple[str, ...]]:
    """Map each instruction offset to the locals that may be read after it.

    Without this a variable that nobody will read again, such as the last exit's reason, would keep
    equal places apart. The target of a `for` counts as read throughout its loop, since it stands
    for the iterator's position, which is not a local. Cell and free variables always count.
    """
    instructions = list(dis.get_instructions(code))
    index = {instruction.offset: i for i, instruction in enumerate(instructions)}
    always = {*code.co_cellvars, *code.co_freevars}
    positions: dict[int, set[str]] = {}
    for i, instruction in enumerate(instructions):
        if instruction.opname == "FOR_ITER":
            targets = _loop_targets(instructions, i)
            for inside in instructions[i : index[instruction.argval]]:
                positions.setdefault(inside.offset, set()).update(targets)
    before: list[set[str]] = [set() for _ in instructions]
    after: list[set[str]] = [set() for _ in instructions]
    changed = True
    while changed:
        changed = False
        for i in range(len(instructions) - 1, -1, -1):
            instruction = instructions[i]
            out = set()
            if instruction.opname not in NO_FALL_THROUGH and i + 1 < len(instructions):
                out |= before[i + 1]
            if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
                out |= before[index[instruction.argval]]
            reads, writes = _locals_of(instruction)
            into = (out - writes) | reads
            if out != after[i] or into != before[i]:
                after[i], before[i] = out, into
                changed = True
    return {
        instruction.offset: tuple(
            sorted(after[i] | always | positions.get(instruction.offset, set()))
        )
        for i, instruction in enumerate(instructions)
    }


def _loop_targets(instructions: list[dis.Instruction], at: int) -> set[str]:
    """Return the names that a `for` stores into, right after its FOR_ITER."""
    targets: set[str] = set()
    for instruction in instructions[at + 1 :]:
        name = instruction.opname
        if "STORE_FAST" in name or name == "STORE_DEREF":
            targets |= _names(instruction)
            if "LOAD" in name:
                break
        elif not name.startswith(("UNPACK", "CACHE", "NOP")):
            break
    return targets


def _names(instruction: dis.Instruction) -> set[str]:
    """Return the local names in an instruction's argument; two in a fused instruction."""
    value = instruction.argval
    return {value} if isinstance(value, str) else set(value)


def _locals_of(instruction: dis.Instruction) -> tuple[set[str], set[str]]:
    """Return the locals that an instruction reads and those that it surely overwrites."""
    name = instruction.opname
    if name in ("STORE_FAST", "STORE_FAST_STORE_FAST"):
        return set(), _names(instruction)
    if "FAST" in name and ("LOAD" in name or "STORE" in name):
        return _names(instruction), set()
    return set(), set()
