"""Mutants are programs that could have been drawn, and not always the same ones."""

from __future__ import annotations

import itertools
import random

import pytest

from emu.explore.litmus.guest import build
from emu.fuzz.lowering import litmus
from emu.fuzz.mutate import CHANGES, Mutator, within
from emu.fuzz.programs import MAX_OPS, OPERATIONS, Bounds, Op, Program, numbers
from emu.fuzz.strategies import drawn

PROGRAM = Program(((Op("cede"),), (Op("prod", 0),)), 2, (False, False))


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_mutants_could_have_been_drawn(host):
    parents = list(drawn(host, Bounds(), 1, 40))
    mutator = Mutator(random.Random(1), host)
    for _ in range(300):
        mutant = mutator.mutant(parents)
        build(litmus(mutant, host))
        assert all(len(ops) <= MAX_OPS for ops in mutant.threads)
        for _, _, op in mutant.operations():
            assert op.number in numbers(op.name, mutant.smt, len(mutant.threads), host)
            assert host != "power7" or not OPERATIONS[op.name].native


def test_mutants_keep_the_bounds_of_their_parents():
    bounds = Bounds(smt=2, threads=3, little=True)
    parents = list(drawn("power9", bounds, 1, 20))
    mutator = Mutator(random.Random(2), "power9")
    assert all(within(mutator.mutant(parents), bounds) for _ in range(200))
    assert not within(PROGRAM, bounds)
    assert within(PROGRAM, Bounds(smt=2, little=False))


def test_mutants_differ_from_their_parent_and_from_each_other():
    mutator = Mutator(random.Random(3), "power9")
    mutants = [mutator.mutant([PROGRAM]) for _ in range(100)]
    assert PROGRAM not in mutants
    assert len(set(mutants)) > 50


@pytest.mark.parametrize("change", sorted(set(CHANGES), key=lambda change: change.__name__))
def test_every_change_changes_something(change):
    mutator = Mutator(random.Random(4), "power9")
    parents = list(drawn("power9", Bounds(smt=2, threads=2), 1, 50))
    pairs = itertools.pairwise(parents)
    assert any(change(mutator, a, b) not in (None, a) for a, b in pairs)


def test_operations_that_no_parent_has_come_in():
    mutator = Mutator(random.Random(5), "power9")
    names = {op.name for _ in range(1000) for _, _, op in mutator.mutant([PROGRAM]).operations()}
    assert names == set(OPERATIONS)
