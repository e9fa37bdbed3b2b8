"""Mutants: programs like one that is known, with one or a few things changed.

What an operation may be comes from the table of operations, and what else a program has from other
programs for the same host, so that a mutant is one that could have been drawn. Knows nothing of
coverage and corpora, and needs no Hypothesis.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Final

from emu.fuzz.programs import MAX_OPS, OPERATIONS, Bounds, Op, Program, numbers

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    Change = Callable[["Mutator", Program, Program], Program | None]

MAX_CHANGES: Final = 3
MAX_TRIES: Final = 20
# What a program has that need not be as it is.
FEATURES: Final = tuple(field for field in fields(Program) if field.default is not MISSING)


def within(program: Program, bounds: Bounds) -> bool:
    """Whether a program could have been drawn within bounds."""
    found = {field.name: getattr(program, field.name) for field in fields(Bounds)}
    found["threads"] = len(program.threads)
    return all(getattr(bounds, name) in (None, value) for name, value in found.items())


class Mutator:
    """Makes mutants for one host, from its source of numbers alone."""

    def __init__(self, source: random.Random, host: str) -> None:
        self.source = source
        self._host = host
        self._rows = [row for row in OPERATIONS.values() if host != "power7" or not row.native]
        self._weights = [row.weight for row in self._rows]

    def mutant(self, parents: Sequence[Program]) -> Program:
        """One of the parents with one to three changes, some of them after another parent.

        parents: for the mutator's host, within the bounds that its mutants are to keep.
        """
        program = parent = self.source.choice(parents)
        changes = 1
        while changes < MAX_CHANGES and self.source.random() < 0.3:
            changes += 1
        for _ in range(MAX_TRIES):
            changed = self.source.choice(CHANGES)(self, program, self.source.choice(parents))
            if changed not in (None, program, parent):
                program, changes = changed, changes - 1
                if not changes:
                    break
        return program

    def op(self, program: Program) -> Op:
        """An operation that a program may have."""
        return self.numbered(program, self.source.choices(self._rows, self._weights)[0].name)

    def numbered(self, program: Program, name: str) -> Op:
        """An operation with one of its numbers."""
        values = numbers(name, program.smt, len(program.threads), self._host)
        return Op(name, self.source.choice(values))

    def place(self, program: Program) -> tuple[int, int] | None:
        """A thread and a place in it that has an operation; None: there is none."""
        places = [(thread, place) for thread, place, _ in program.operations()]
        return self.source.choice(places) if places else None


def _with(program: Program, thread: int, ops: Sequence[Op]) -> Program:
    threads = (*program.threads[:thread], tuple(ops), *program.threads[thread + 1 :])
    return replace(program, threads=threads)


def _like(program: Program, other: Program) -> bool:
    """Whether threads and cores of one are threads and cores of the other."""
    return (program.smt, len(program.threads)) == (other.smt, len(other.threads))


def _at(mutator: Mutator, program: Program, change: Callable[[Op], Sequence[Op]]) -> Program | None:
    """Change an operation into others."""
    found = mutator.place(program)
    if found is None:
        return None
    thread, place = found
    ops = program.threads[thread]
    return _with(program, thread, [*ops[:place], *change(ops[place]), *ops[place + 1 :]])


def _inserted(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    thread = mutator.source.randrange(len(program.threads))
    ops = program.threads[thread]
    if len(ops) >= MAX_OPS:
        return None
    place = mutator.source.randint(0, len(ops))
    return _with(program, thread, [*ops[:place], mutator.op(program), *ops[place:]])


def _replaced(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    return _at(mutator, program, lambda _: [mutator.op(program)])


def _renumbered(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    return _at(mutator, program, lambda op: [mutator.numbered(program, op.name)])


def _dropped(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    return _at(mutator, program, lambda _: [])


def _swapped(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    found = mutator.place(program)
    if found is None or found[1] == 0:
        return None
    thread, place = found
    ops = list(program.threads[thread])
    ops[place - 1], ops[place] = ops[place], ops[place - 1]
    return _with(program, thread, ops)


def _moved(mutator: Mutator, program: Program, _other: Program) -> Program | None:
    """An operation goes to the end of another thread."""
    found = mutator.place(program)
    target = mutator.source.randrange(len(program.threads))
    if found is None or found[0] == target or len(program.threads[target]) >= MAX_OPS:
        return None
    thread, place = found
    ops = program.threads[thread]
    less = _with(program, thread, [*ops[:place], *ops[place + 1 :]])
    return _with(less, target, [*less.threads[target], ops[place]])


def _interruptible(mutator: Mutator, program: Program, _other: Program) -> Program:
    thread = mutator.source.randrange(len(program.ee))
    ee = (*program.ee[:thread], not program.ee[thread], *program.ee[thread + 1 :])
    return replace(program, ee=ee)


def _featured(mutator: Mutator, program: Program, other: Program) -> Program | None:
    """Something beside the threads becomes as another program has it."""
    name = mutator.source.choice(FEATURES).name
    return replace(program, **{name: getattr(other, name)}) if _like(program, other) else None


def _spliced(mutator: Mutator, program: Program, other: Program) -> Program | None:
    """A thread becomes as another program has it."""
    thread = mutator.source.randrange(len(program.threads))
    return _with(program, thread, other.threads[thread]) if _like(program, other) else None


CHANGES: Final[tuple[Change, ...]] = (
    _inserted, _inserted, _replaced, _replaced, _renumbered, _dropped, _dropped, _swapped, _moved,
    _interruptible, _featured, _spliced,
)  # fmt: skip
