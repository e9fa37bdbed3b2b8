"""Counterexamples made small."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from emu.explore.litmus.condition import holds
from emu.explore.litmus.model import Equal, Location
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import Violation, judge, missing
from emu.explore.minimise import fewest_preemptions, fewest_switches, minimise, minimised
from emu.explore.replay import case_of, replay
from emu.explore.schedule import parse_short
from emu.explore.search import Options
from emu.explore.zoo import switched_on

SUITE = Path(__file__).parents[2] / "guests" / "litmus"

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


def test_no_schedule_of_the_outcome_has_fewer_preemptions():
    found = fewest_preemptions(parse(BOTH_READ), "power9", Options(), "condition")
    assert replay(case_of(parse(BOTH_READ), "power9", Options(), found)).reproduced
    assert fewest_preemptions(parse(BOTH_READ), "power9", Options(), "lost") is None


def test_a_rule_that_holds_has_no_schedule():
    assert fewest_switches(parse(BOTH_READ), "power9", Options(), "lost") is None


def lost_update(test):
    """Fails if a store to x is lost although two threads store there."""
    storing = [cells for cells in test.threads if any("stw r5" in cell.text for cell in cells)]
    result = run(test, Options())
    for outcome in result.outcomes:
        if len(storing) == 2 and outcome.state.get(Location("x")) == 1:
            return Violation("condition", "an update is lost", condition=Equal(Location("x"), 1))
    return None


def columns(test):
    return [[cell.text for cell in cells] for cells in test.threads]


def test_a_program_shrinks_to_what_it_needs_to_fail():
    small, _ = minimise(parse(LOST_UPDATE), lost_update)
    assert len(small.threads) == 2
    assert sum(map(len, small.threads)) == 3  # one thread may store without looking
    for thread, cells in enumerate(small.threads):
        for index in range(len(cells)):
            less = parse(small.text)
            del less.threads[thread][index]
            assert lost_update(less) is None or "stw r5" not in cells[index].text


def test_shrinking_is_determined():
    first, second = (minimise(parse(LOST_UPDATE), lost_update) for _ in range(2))
    assert (first[0].text, first[1]) == (second[0].text, second[1])


def smallest(text, rule, host="power9", bug=None):
    """What `minimised` makes of the violation of a rule, with a bug on or without one."""
    with switched_on([bug] if bug else []):
        result = run(parse(text), Options(), host)
        found = (*result.violations, *result.witnesses, *missing(result))
        violation = next(v for v in found if v.rule == rule)
        small = minimised(parse(text), host, Options(), violation)
        case = case_of(parse(small.test.text), host, Options(), small.violation)
        assert replay(replace(case, trail=())).reproduced
    return small


def test_a_condition_of_the_test_shrinks_as_long_as_the_program_could_also_keep_it():
    small = smallest(BOTH_READ, "condition")
    assert small.fewest
    assert sum(map(len, small.test.threads)) < 4
    result = run(parse(small.test.text), Options(), "power9")
    held = [holds(small.violation.condition, o.state) for o in result.outcomes]
    assert any(held)
    assert not all(held)


def test_a_condition_shrinks_with_a_bug_as_long_as_the_code_without_it_keeps_it():
    text = (SUITE / "clear-own.litmus").read_text()
    small = smallest(text, "condition", bug="clear-of-the-wrong-doorbell")
    assert columns(small.test) == [["msgsndp r4", "msgclrp r4"]]
    healthy = run(parse(small.test.text), Options(), "power9")
    assert healthy.complete
    assert not judge(healthy).failures
    assert (columns(small.test), small.tried) == (
        columns(smallest(text, "condition", bug="clear-of-the-wrong-doorbell").test),
        small.tried,
    )


def test_a_rule_of_states_on_the_way_shrinks_to_one_thread_and_its_sender():
    small = smallest((SUITE / "external-once.litmus").read_text(), "never", bug="stale-mer")
    assert len(small.test.threads) <= 2
    assert sum(map(len, small.test.threads)) <= 2
    assert [str(p.condition) for p in small.test.prohibitions] == ["1:r7=1"]
    assert not small.violation.at_end


def test_a_missing_outcome_shrinks_as_long_as_the_code_without_the_bug_has_it():
    text = (SUITE / "read-twice.litmus").read_text()
    small = smallest(text, "require", bug="stale-dpdes-read")
    assert not small.violation.schedule
    assert columns(small.test) == [["msgsndp r4", "mfspr r5,DPDES", "mfspr r6,DPDES"], []]
    healthy = run(parse(small.test.text), Options(), "power9")
    assert not missing(healthy)


def test_a_lost_wakeup_shrinks_to_two_operations():
    small = smallest((SUITE / "send-enter.litmus").read_text(), "lost", bug="lost-kick")
    assert columns(small.test) == [["msgsndp r4"], ["mfspr r5,TIR"]]


SPINS = """PPC spins
SMT=2
{ 0:r2=x; 1:r2=x; 0:r1=1; 1:r3=7; }
 P0           | P1              ;
 stw r1,0(r2) | L: lwz r5,0(r2) ;
 lwz r6,0(r2) | cmpwi r5,2      ;
              | bne L           ;
exists (true)
"""


def test_what_is_broken_in_every_interleaving_shrinks_as_long_as_it_is():
    small = smallest(SPINS, "livelock", host="power8")
    assert columns(small.test)[-1][-1] == "bne L"
    assert sum(map(len, small.test.threads)) <= 3  # a label counts
    always = "PPC always\n{ }\n P0 ;\n li r4,1 ;\n li r5,1 ;\n~exists (0:r5=1)\n"
    assert columns(smallest(always, "condition").test) == [["li r5,1"]]


@pytest.mark.parametrize("patience", [0, 1, 2, 9])
def test_who_does_not_want_to_wait_gets_the_smallest_found_until_then(patience):
    asked = []

    def go_on(searches):
        asked.append(searches)
        return searches < patience

    violation = run(parse(LOST_UPDATE), Options()).witnesses[0]
    small = minimised(parse(LOST_UPDATE), "power9", Options(), violation, go_on=go_on)
    assert [searches < patience for searches in asked] == [True] * (len(asked) - 1) + [False]
    assert small.tried == patience
    assert not small.fewest
    case = case_of(parse(small.test.text), "power9", Options(), small.violation)
    assert replay(case).reproduced
    size = sum(map(len, small.test.threads))
    assert (size == 9) if patience <= 2 else (size < 9)


def test_a_search_that_takes_long_is_given_up_too():
    """Not only between two: the first search over the program is asked about as well."""
    asked = []

    def go_on(searches):
        asked.append(searches)
        return asked.count(1) < 2  # until the first has been under way for a while

    text = (SUITE / "ring-3.litmus").read_text()
    with switched_on(["cede-ignores-doorbell"]):
        found = run(parse(text), Options(first=True), "power9").violations[0]
        small = minimised(parse(text), "power9", Options(), found, go_on=go_on)
    assert asked == [0, 1, 1]
    assert small.violation == found
