"""The last step of a schedule before which what is wrong could still be avoided."""

from dataclasses import replace
from pathlib import Path

import pytest

from emu.errors import ReplayError
from emu.explore.avoidable import last_avoidable
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import missing
from emu.explore.replay import case_of, replay
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


ONE_AND_TWO = """PPC on-the-way
{ 0:r2=x; 0:r4=1; 1:r2=x; 1:r4=2; 1:r5=3; }
 P0           | P1           ;
 stw r4,0(r2) | stw r4,0(r2) ;
              | stw r5,0(r2) ;
never (x=1 /\\ 1:r5=3)
"""


def test_a_rule_about_states_on_the_way_is_avoided_by_going_round_them():
    case = first_case(ONE_AND_TWO)
    assert case.property == "never"
    found = last_avoidable(case)
    assert found.exact
    assert found.steps == -1  # P0's store comes at some time, whatever is before it
    avoidable = ONE_AND_TWO.replace("x=1 ", "x=2 ")
    assert last_avoidable(first_case(avoidable)).steps == -1
    after = ONE_AND_TWO.replace("never (x=1 /\\ 1:r5=3)", "never (x=2 /\\ 0:r6=1)")
    after = after.replace("| stw r4,0(r2) ;", "| stw r4,0(r2) ;\n lwz r6,0(r2) | ;", 1)
    found = last_avoidable(first_case(after))
    assert found.exact
    assert found.steps >= 0


def test_a_rule_of_every_state_can_be_avoided_with_a_bug_on():
    text = (SUITE / "external-once.litmus").read_text()
    with switched_on(["stale-mer"]):
        result = run(parse(text), Options(), "power9")
        (violation,) = (v for v in result.violations if v.rule == "never")
        case = case_of(parse(text), "power9", Options(), violation)
        assert str(last_avoidable(case)) == "no interleaving of this program ends well"


def test_what_is_missing_has_no_such_step():
    text = (SUITE / "read-twice.litmus").read_text()
    with switched_on(["stale-dpdes-read"]):
        result = run(parse(text), Options(), "power9")
        case = case_of(parse(text), "power9", Options(), missing(result)[0])
        with pytest.raises(ReplayError, match="no schedule leads to what is missing"):
            last_avoidable(case)
