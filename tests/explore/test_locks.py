"""Searches over toy host code: actors that share words, under locks or not."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.core._emu import lib
from emu.core.engine import ACTOR_WORDS, Engine
from emu.core.machine import Machine
from emu.errors import ConfigError
from emu.explore.search import Algorithm, Options, Search, Show
from emu.hv.automaton import Automaton
from emu.hv.ops import Add, Await, CompareAndSet, Copy, Write, zero
from emu.hv.spinlock import spin_lock, spin_unlock

LOCKS, CELLS = 2, 3
MAX_ACTORS = 3


class Teacher:
    """Gives the engine nodes and edges; every word is one that others may look at."""

    def __init__(self, engine):
        self.engine = engine
        self.add_edge = engine.add_edge

    def add_node(self, op):
        coded = op.coded()
        return self.engine.add_node(
            coded.op, visible=True, ref=coded.ref, ref2=coded.ref2, a=coded.a, b=coded.b,
            entries=coded.entries, pool=coded.pool,
        )  # fmt: skip


def host_code(first, actions):
    """What an actor does: ("lock", 0), ("write", 1, 7), ... Locks it has not are not let go."""
    held = frozenset()
    at = 0
    while at < len(actions):
        name, number, value = (*actions[at], 0)[:3]
        at += 1
        cell = first + LOCKS + number
        if name == "lock" and number not in held:
            yield from spin_lock(first + number)
            held |= {number}
        elif name == "unlock" and number in held:
            yield from spin_unlock(first + number)
            held -= {number}
        elif name == "try" and number not in held:
            if (yield CompareAndSet(first + number, 0, 1)):
                held |= {number}
        elif name == "write":
            yield Write(cell, value)
        elif name == "add":
            yield Add(cell, 1, limit=100)
        elif name == "copy":
            yield Copy(cell, first + LOCKS + value)
        elif name == "wait":
            yield Await(zero(cell))


def searched(actors, named=(), *, spins=True, **options):
    """Outcomes as values of all locks and cells, and the search's facts."""
    machine = Machine(actor_words=ACTOR_WORDS * MAX_ACTORS, host_words=LOCKS + CELLS)
    machine.new_memory(0, 4096)
    engine = Engine()
    automaton = Automaton(Teacher(engine))
    first = machine.area("host")
    for i, actions in enumerate(actors):
        node = automaton.root(partial(host_code, first, tuple(actions)))
        machine.words[machine.area("actor") + ACTOR_WORDS * i] = node
    search = Search(machine, Options(**options), engine, automaton.expand)
    for number in named:
        search.lock(first + number, spins=spins)
    search.show([Show(lib.EMU_SHOW_WORD, first + i) for i in range(LOCKS + CELLS)])
    ended = search.run()
    assert not ended.cut
    return {found.values for found in ended.outcomes}, ended.facts


numbers = st.integers(0, LOCKS - 1)
cells = st.integers(0, CELLS - 1)
action = st.one_of(
    st.tuples(st.sampled_from(["lock", "unlock"]), numbers),
    st.tuples(st.just("write"), cells, st.integers(0, 2)),
    st.tuples(st.just("add"), cells),
    st.tuples(st.just("copy"), cells, cells),
    st.tuples(st.just("wait"), cells),
)
bodies = st.lists(action, max_size=6)
# As real code is: what is shared is touched between lock and unlock, mostly.
locked = st.builds(
    lambda number, before, inside, after: [
        *before, ("lock", number), *inside, ("unlock", number), *after,
    ],
    numbers, st.lists(action, max_size=1), bodies, st.lists(action, max_size=2),
)  # fmt: skip
programs = st.lists(st.one_of(locked, bodies), min_size=2, max_size=MAX_ACTORS)


@settings(max_examples=100, deadline=None)
@given(programs, st.sampled_from([Algorithm.DFS, Algorithm.BFS]))
def test_outcomes_are_those_of_spinning(actors, algorithm):
    assert searched(actors, range(LOCKS), algorithm=algorithm)[0] == searched(actors)[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(bodies, min_size=2, max_size=MAX_ACTORS))
def test_outcomes_are_the_same_where_a_lock_is_only_tried(actors):
    tried = [[("try" if a[0] == "lock" else a[0], *a[1:]) for a in actions] for actions in actors]
    assert searched(tried, range(LOCKS), spins=False)[0] == searched(tried)[0]


COUNTER = [("lock", 0), ("add", 0), ("copy", 1, 0), ("add", 1), ("unlock", 0)]


def test_what_an_actor_waits_for_is_shared_though_it_never_comes_true_again():
    outcomes, _ = searched([[("add", 0)], [("wait", 0), ("write", 1, 2)]])
    assert outcomes == {(0, 0, 1, 0, 0), (0, 0, 1, 2, 0)}


def test_a_critical_section_is_one_step():
    outcomes, facts = searched([COUNTER, COUNTER], [0])
    assert outcomes == {(0, 0, 2, 3, 0)}
    assert facts.states == 4  # who comes first, then the other
    assert searched([COUNTER, COUNTER])[1].states > 10


def test_locks_in_opposite_orders_still_deadlock():
    one = [("lock", 0), ("lock", 1), ("add", 0), ("unlock", 1), ("unlock", 0)]
    other = [("lock", 1), ("lock", 0), ("add", 0), ("unlock", 0), ("unlock", 1)]
    outcomes, _ = searched([one, other], range(LOCKS))
    assert outcomes == {(0, 0, 2, 0, 0), (1, 1, 0, 0, 0)}


def test_a_word_that_is_also_used_without_the_lock_is_not_guarded():
    write = [("lock", 0), ("write", 0, 1), ("write", 0, 2), ("unlock", 0)]
    outcomes, _ = searched([write, [("copy", 1, 0)]], [0])
    assert {values[LOCKS + 1] for values in outcomes} == {0, 1, 2}


def test_the_holder_of_a_lock_that_is_held_must_be_named():
    machine = Machine(actor_words=ACTOR_WORDS, host_words=1)
    machine.new_memory(0, 4096)
    machine.words[machine.area("host")] = 1
    engine = Engine()
    search = Search(machine, Options(), engine, lambda _node, _answer: 0)
    with pytest.raises(ConfigError, match="does not have"):
        search.lock(machine.area("host"))
    search.lock(machine.area("host"), holder=0)
