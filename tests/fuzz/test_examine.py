"""How far the fuzzer searches a program."""

from __future__ import annotations

import pytest

from emu.explore.litmus.laboratory import Laboratory
from emu.fuzz.coverage import Observer
from emu.fuzz.examine import Examiner, search_options
from emu.fuzz.programs import Op, Program
from emu.fuzz.properties import chosen

NUMBERS = range(100)


def stopped(number: int, agent: str = "signal:0") -> Program:
    """A program in which a vcpu is stopped; another one for each number."""
    words = tuple(Op("load", number >> bit & 1) for bit in range(7))
    return Program((words, (Op("load"),)), 2, (False, False), agents=(agent,))


@pytest.mark.parametrize("host", ["power7", "power8"])
@pytest.mark.parametrize("agent", ["signal:0", "sync:1", "migrate"])
def test_three_of_four_programs_with_a_stop_are_searched_without_preemptions(host, agent):
    bounds = [search_options(stopped(n, agent), host).preemptions for n in NUMBERS]
    assert set(bounds) == {0, None}
    assert 60 <= bounds.count(0) <= 90


def test_a_stop_of_one_vcpu_is_searched_like_anything_else_on_power9():
    assert all(search_options(stopped(n), "power9").preemptions is None for n in NUMBERS)


@pytest.mark.parametrize("agent", ["external:0", "preempt:1", "stop:0"])
def test_a_device_stops_nobody_and_who_stays_away_stops_little(agent):
    options = [search_options(stopped(n, agent), "power8") for n in NUMBERS]
    assert all(each.preemptions is None for each in options)


def test_a_search_without_preemptions_is_not_counted_as_exhaustive():
    short = (Op("load"),)
    programs = [
        Program((short, (Op("load", cell),)), 2, (False, False), agents=(agent,))
        for cell in (0, 1)
        for agent in ("signal:0", "signal:1", "sync:0")
    ]
    program = next(p for p in programs if search_options(p, "power8").preemptions == 0)
    examiner = Examiner("power8", chosen(()), Laboratory(), Observer(), sampled=True)
    examined = examiner.examine(program)
    assert not examined.exhaustive
    assert 0 < examined.states < search_options(program, "power8").max_states
