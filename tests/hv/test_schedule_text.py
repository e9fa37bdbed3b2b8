"""Schedules as text: what is written is read back, and what is not a schedule is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.core.engine import Turn
from emu.errors import ReplayError
from emu.hv.schedule_text import MAX_TURNS, parse_schedule, schedule_lines

ACTORS = ["v0", "v1", "cpu3"]
COUNTS = st.integers(0, 10**18 - 1)
TURNS = st.lists(
    st.builds(Turn, st.integers(0, 2), COUNTS, st.just(0))
    | st.builds(Turn, st.integers(0, 2), st.just(0), COUNTS.filter(bool))
)


@given(TURNS)
def test_what_is_written_is_read_back(turns):
    assert parse_schedule("\n".join(schedule_lines(turns, ACTORS)), ACTORS) == tuple(turns)


def test_the_same_turn_many_times_is_one_line():
    lines = list(schedule_lines([Turn(1, 5)] * 3 + [Turn(0, 1)], ACTORS))
    assert lines == ["emu schedule 1", "v1 5 *3", "v0 1"]
    lines = list(schedule_lines([Turn(1, 0, 5)] * 2 + [Turn(1, 5)], ACTORS))
    assert lines == ["emu schedule 1", "v1 5 steps *2", "v1 5"]


def test_comments_and_blank_lines_do_not_count():
    text = "emu schedule 1\n\n# here it goes wrong\nv0 7 # seven\n"
    assert parse_schedule(text, ACTORS) == (Turn(0, 7),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a schedule begins with 'emu schedule 1', got ''"),
        ("emu schedule 2\n", "a schedule begins with 'emu schedule 1', got 'emu schedule 2'"),
        ("emu schedule 1\nv0\n", "line 2: a turn is an actor and a number of instructions"),
        ("emu schedule 1\nv0 0 steps\n", "line 2: a turn has at least 1 step"),
        ("emu schedule 1\nv0 5 stairs\n", "line 2: a turn is an actor and a number"),
        ("emu schedule 1\n\nv0 -1\n", "line 3: a turn is an actor"),
        ("emu schedule 1\nv0 1 *\n", "line 2: a turn is an actor"),
        ("emu schedule 1\nv9 1\n", "line 2: this machine has no actor 'v9'"),
        ("emu schedule 1\nv0 1 *99999999\n", f"a schedule has at most {MAX_TURNS} turns"),
        ("\x00\xff" * 50, "a schedule begins with"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_line(text, message):
    with pytest.raises(ReplayError) as refused:
        parse_schedule(text, ACTORS)
    assert message in str(refused.value)
