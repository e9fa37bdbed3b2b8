"""What is searched when a search is cut off, by searches that only say how far they went."""

import pytest

from emu.explore.deepening import FEW_STATES, deepened, extent_of, is_limited
from emu.explore.search import CUT_OFF, STOPPED, Algorithm, Options


def searched(answers, options=None, go_on=None):
    """The extents that count, first to last, and the options of every search."""
    tried = []

    def search(options):
        tried.append(options)
        return answers[len(tried) - 1]

    return deepened(search, options or Options(), str, go_on), tried


def test_what_is_exhaustive_is_searched_once():
    assert searched([""]) == ([""], [Options()])


def test_the_last_bound_that_was_whole_counts_and_what_others_saw_is_kept():
    one, two = "exhaustive up to 0 preemptions", "exhaustive up to 1 preemptions"
    found, tried = searched([f"{CUT_OFF} 9 states", one, two, f"{CUT_OFF} 9 states"])
    assert found == [two, one, f"{CUT_OFF} 9 states", f"{CUT_OFF} 9 states"]
    assert [options.preemptions for options in tried] == [None, 0, 1, 2]


def test_a_bound_that_forbade_nothing_is_everything():
    found, _ = searched([f"{CUT_OFF} 9 states", "exhaustive up to 0 preemptions", ""])
    assert found[0] == ""


def test_without_a_whole_bound_the_first_search_counts():
    found, _ = searched([f"{CUT_OFF} 9 states", f"{CUT_OFF} 9 states"])
    assert found == [f"{CUT_OFF} 9 states"] * 2


def test_a_search_that_was_stopped_goes_on_only_if_there_is_time():
    assert searched([STOPPED]) == ([STOPPED], [Options()])
    assert searched([STOPPED], go_on=lambda: False)[0] == [STOPPED]
    time_left = iter([True, False])
    one = "exhaustive up to 0 preemptions"
    assert searched([STOPPED, one], go_on=lambda: next(time_left))[0] == [one, STOPPED]


def test_a_bound_that_was_asked_for_and_other_algorithms_are_left_alone():
    for options in (Options(preemptions=1), Options(algorithm=Algorithm.BFS)):
        assert len(searched([f"{CUT_OFF} 9 states"], options)[1]) == 1


def test_instructions_are_not_counted_where_that_is_too_much_and_nothing_needs_it():
    counting = Options(max_insns=100)
    found, tried = searched([f"{CUT_OFF} 9 states", ""], counting)
    assert found == [""]
    assert [(o.max_insns, o.max_states) for o in tried] == [
        (100, FEW_STATES),
        (None, counting.max_states),
    ]
    _, tried = searched([f"{CUT_OFF} 9", f"{CUT_OFF} 9", "runs of at most 100"], counting)
    assert tried[-1] == counting
    assert searched(["runs of at most 100"], counting)[0] == ["runs of at most 100"]


def test_an_extent_says_within_what_and_what_was_in_the_way():
    assert extent_of([""]) == ""
    assert extent_of(["", "stopped"]) == ""  # the bound forbade nothing
    assert extent_of([STOPPED, STOPPED]) == STOPPED  # not even the first bound was searched whole
    assert extent_of([f"{CUT_OFF} 9 states", STOPPED]) == f"{CUT_OFF} 9 states"
    one, zero = "exhaustive up to 1 preemptions", "exhaustive up to 0 preemptions"
    off = f"{CUT_OFF} 9 states"
    assert extent_of([one, zero, "stopped", off]) == f"{one}, beyond that {off}"


@pytest.mark.parametrize(
    ("cut", "limited"),
    [
        ("", False),
        ("exhaustive up to 2 preemptions", False),
        ("time passed at most 1 times", False),
        ("sampled, 20 runs", False),
        ("exhaustive, but time never passed", False),
        ("exhaustive up to 2 preemptions, beyond that stopped", True),
        (f"{CUT_OFF} 9 states", True),
        (STOPPED, True),
        ("runs cut off where they came back to a state", True),
        ("time passed at most 1 times, runs of at most 9 instructions", True),
    ],
)
def test_a_limit_is_told_from_a_bound_that_was_asked_for(cut, limited):
    assert is_limited(cut) == limited
