"""The naive reference says what the book says, program by program."""

from __future__ import annotations

import pytest

from emu.fuzz.agreement import PUNCTUAL
from emu.fuzz.programs import Bounds, Op, Program
from emu.fuzz.reference.doorbells import ALLOWED, NOTHING, STRICT, Manner, ends
from emu.fuzz.strategies import drawn as programs_of

LIMIT = 20_000
HOSTS = ("power7", "power8", "power9")
LATE = Manner(late=True)


def program(*threads, ee=False, smt=2, **settings):
    ops = tuple(tuple(Op(*op) if isinstance(op, tuple) else Op(op) for op in t) for t in threads)
    return Program(ops, smt, (ee,) * len(ops), **settings)


def every(drawn, manner):
    found = ends(drawn, manner, LIMIT)
    assert found is not None
    return found


@pytest.mark.parametrize("manner", [STRICT["power8"], LATE])
def test_a_doorbell_is_taken_or_pending(manner):
    (off,) = every(program([("send", 1)], []), manner)
    assert (off.taken, off.pending) == ((0, 0), (False, True))
    (on,) = every(program([("send", 1)], [], ee=True), manner)
    assert (on.taken, on.pending) == ((0, 1), (False, False))


def test_two_messages_before_delivery_are_one():
    twice = program([("send", 1), ("send", 1)], [], ee=True)
    assert {end.taken for end in every(twice, STRICT["power8"])} == {(0, 2)}
    assert {end.taken for end in every(twice, LATE)} == {(0, 1), (0, 2)}


def test_both_read_needs_a_read_that_is_not_atomic():
    both = program([("send", 1), "dpdes"], [("send", 0), "dpdes"])
    reads = {host: {e.results for e in every(both, ALLOWED[host])} for host in HOSTS[1:]}
    odd = ((NOTHING, 1), (NOTHING, 2))
    assert odd not in reads["power8"]
    assert odd in reads["power9"]


def test_the_own_bit_is_always_read_exactly():
    own = program([("send", 0), "dpdes"], [])
    (end,) = every(own, STRICT["power9"])
    assert end.results[0] == (NOTHING, 1)


def test_a_thread_without_a_vcpu_has_a_bit_on_power8_alone():
    absent = program([("send", 3), "dpdes"], smt=4)
    reads = {host: {e.results[0][1] for e in every(absent, STRICT[host])} for host in HOSTS[1:]}
    assert reads == {"power8": {8}, "power9": {0}}


@pytest.mark.parametrize("host", HOSTS)
def test_a_prod_ends_one_h_cede(host):
    once = program(["cede", "cede"], [("prod", 0)])
    (end,) = every(once, STRICT[host])
    assert end.ceded == (True, False)
    assert {e.ceded[0] for e in every(once, ALLOWED[host])} == {False, True}


def test_a_clear_is_for_its_own_thread_and_for_what_has_come():
    both = program([("send", 0), ("send", 1), "clear"], [])
    assert {e.pending for e in every(both, STRICT["power8"])} == {(False, True)}
    assert {e.pending for e in every(both, LATE)} == {(False, True), (True, True)}


def test_an_emulated_clear_drops_what_comes_while_it_is_emulated():
    open_clear = program([("send", 1)], ["clear"], ee=True)
    assert {e.taken[1] for e in every(open_clear, ALLOWED["power8"])} == {1}
    assert {e.taken[1] for e in every(open_clear, ALLOWED["power9"])} == {0, 1}


def test_a_store_ends_the_reservations_of_others():
    pair = program([("reserve", 0), ("conditional", 0)], [("store", 0)])
    found = {(e.results[0][1], e.memory[0]) for e in every(pair, STRICT["power9"])}
    assert found == {(0, 1), (1, 1), (1, 2)}


def test_a_handler_answers_once_and_one_that_nests_nests_once():
    answers = program([("send", 1)], [], ee=True, handler_sends=True)
    assert {e.taken for e in every(answers, STRICT["power8"])} == {(1, 2)}
    nested = program([("send", 1), ("send", 1)], [], ee=True, handler_nests=True)
    assert {e.taken for e in every(nested, LATE)} == {(0, 1), (0, 2)}


def test_problem_state_traps_and_leaves_ee_on():
    user = program([("send", 0), ("user_dpdes",)], [])
    (end,) = every(user, STRICT["power8"])
    assert (end.traps, end.taken, end.results[0]) == ((1, 0), (1, 0), (NOTHING, NOTHING))


def test_a_device_interrupts_problem_state_for_good():
    user = program(["cede", ("user_tir",)], [], agents=("external:0",))
    (end,) = every(user, STRICT["power9"])
    assert (end.interrupted, end.traps) == ((True, False), (0, 0))


@pytest.mark.parametrize("host", HOSTS)
def test_an_ipi_waits_until_it_is_let_in_and_ends_a_cede(host):
    (shut,) = every(program([("ipi", 1)], [], ee=True), STRICT[host])
    assert shut.interrupted == (0, 0)
    (open_,) = every(program([("ipi", 1)], ["accept", "cede"]), STRICT[host])
    assert (open_.interrupted, open_.ceded) == ((0, 1), (False, False))


@pytest.mark.parametrize("host", HOSTS)
def test_a_decrementer_that_runs_out_ends_a_cede(host):
    (end,) = every(program(["timer", "cede"]), STRICT[host])
    assert (end.ticks, end.ceded) == ((1,), (False,))


def test_more_states_than_the_limit_are_no_answer():
    assert ends(program([("store", 0)] * 5, [("load", 0)] * 5), LATE, 10) is None


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_possible_with_nothing_left_open_is_possible_in_any_manner(host):
    compared = 0
    for each in programs_of(host, Bounds(threads=2), 11, 60):
        strict, allowed = ends(each, STRICT[host], 500), ends(each, ALLOWED[host], 5000)
        if strict is None or allowed is None:
            continue
        compared += 1
        assert strict <= allowed, each
        if host == "power9":
            assert strict <= (ends(each, PUNCTUAL, 5000) or strict), each
    assert compared >= 30
