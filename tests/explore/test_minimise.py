"""Counterexamples made small, and the step that decided them."""

import itertools
from dataclasses import replace

import pytest

from emu.errors import ReplayError
from emu.explore.litmus.model import Equal, Location
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import Violation
from emu.explore.minimise import fewest_switches, last_avoidable, minimise, minimised
from emu.explore.replay import case_of, replay
from emu.explore.schedule import parse_short
from emu.explore.search import Options

BOTH_READ = """PPC both-read
SMT=2
{ 0:r4=db(1); 1:r4=db(0); }
 P0             | P1             ;
 msgsndp r4     | msgsndp r4     ;
 mfspr r5,DPDES | mfspr r5,DPDES ;
~exists (0:r5=1 /\\ 1:r5=2)
"""

LOST_UPDATE = """PPC lost-update
{ 0:r2=x; 1:r2=x; 2:r2=y; }
 P0           | P1           | P2           ;
 lwz r5,0(r2) | lwz r5,0(r2) | li r6,3      ;
 addi r5,r5,1 | addi r5,r5,1 | stw r6,0(r2) ;
 stw r5,0(r2) | stw r5,0(r2) | lwz r7,0(r2) ;
~exists (x=1)
"""


def switches(text):
    return sum(a.actor != b.actor for a, b in itertools.pairwise(parse_short(text)))


def test_no_schedule_of_the_outcome_has_fewer_switches():
    test = parse(BOTH_READ)
    first = run(test, Options(), "power9").witnesses[0]
    best = fewest_switches(parse(BOTH_READ), "power9", Options(), "condition")
    assert switches(best.schedule) <= switches(first.schedule)
    assert replay(case_of(parse(BOTH_READ), "power9", Options(), best)).reproduced


def test_a_rule_that_holds_has_no_schedule():
    assert fewest_switches(parse(BOTH_READ), "power9", Options(), "lost") is None


def lost_update(test):
    """Fails if a store to x is lost although two threads store there."""
    storing = [cells for cells in test.threads if any("stw r5" in cell.text for cell in cells)]
    result = run(test, Options())
    for outcome in result.outcomes:
        if len(storing) == 2 and outcome.state[Location("x")] == 1:
            return Violation("condition", "an update is lost", condition=Equal(Location("x"), 1))
    return None


def test_a_program_shrinks_to_what_it_needs_to_fail():
    small = minimise(parse(LOST_UPDATE), lost_update)
    columns = [[cell.text for cell in cells] for cells in small.test.threads]
    assert len(columns) == 2
    assert sum(map(len, columns)) == 3  # one thread may store without looking
    for thread, cells in enumerate(small.test.threads):
        for index in range(len(cells)):
            less = parse(small.test.text)
            del less.threads[thread][index]
            assert lost_update(less) is None or "stw r5" not in cells[index].text


def test_shrinking_is_determined():
    first, second = (minimise(parse(LOST_UPDATE), lost_update) for _ in range(2))
    assert (first.test.text, first.tried) == (second.test.text, second.tried)


def test_what_does_not_fail_is_not_made_small():
    assert minimise(parse(LOST_UPDATE), lambda _: None) is None


def test_a_condition_of_the_test_shrinks_its_schedule_only():
    small = minimised(parse(BOTH_READ), "power9", Options(), "condition")
    assert small.test.text == BOTH_READ
    assert small.tried == 1
    assert small.violation.schedule


def first_case(text, host="power9"):
    result = run(parse(text), Options(), host)
    return case_of(result.test, host, Options(), (*result.violations, *result.witnesses)[0])


@pytest.mark.parametrize("text", [LOST_UPDATE, BOTH_READ])
def test_up_to_the_last_avoidable_step_the_end_can_be_good(text):
    case = first_case(text)
    found = last_avoidable(case)
    assert found.exact
    assert 0 <= found.steps < len(case.schedule)
    # One step further, every end is bad: any continuation shows it.
    done = replay(replace(case, schedule=case.schedule[: found.steps + 1], trail=()))
    search = done.scene.search
    while choices := search.choices():
        search.take(choices[-1])
    assert done.scene.judge(search.values())


def test_a_program_that_always_fails_is_to_blame_itself():
    always = "PPC T\n{ }\n P0 ;\n li r5,1 ;\n~exists (0:r5=1)\n"
    found = last_avoidable(first_case(always))
    assert found.steps == -1
    assert str(found) == "no interleaving of this program ends well"


def test_a_search_that_is_cut_off_is_not_called_exact():
    assert not last_avoidable(first_case(BOTH_READ), max_states=5).exact


def test_a_rule_about_states_on_the_way_has_no_such_step():
    case = replace(first_case(BOTH_READ), at_end=False)
    with pytest.raises(ReplayError, match="states on the way"):
        last_avoidable(case)
