import json
from xml.etree import ElementTree as ET

import pytest

from emu.explore.litmus.model import Location, Register
from emu.explore.litmus.parse import parse
from emu.explore.litmus.report import herd_text, json_object, junit
from emu.explore.litmus.verdict import Observation, Outcome, Result, Violation, judge

R1 = Register(0, "r1")
X = Location("x")


def test_of(condition):
    return parse(f"PPC T\n{{}}\n P0 ;\n nop ;\n{condition}\n", "t.litmus")


test_of.__test__ = False


def result_of(condition, *states, host="power9", **more):
    outcomes = [Outcome({R1: r1, X: x}, count) for r1, x, count in states]
    return Result(test_of(condition), host, outcomes, **more)


@pytest.mark.parametrize(
    ("condition", "met", "observation"),
    [
        ("exists (0:r1=1)", True, Observation.SOMETIMES),
        ("exists (0:r1=7)", False, Observation.NEVER),
        ("exists (0:r1=0 \\/ 0:r1=1)", True, Observation.ALWAYS),
        ("~exists (0:r1=1)", False, Observation.SOMETIMES),
        ("~exists (0:r1=7)", True, Observation.NEVER),
        ("forall (0:r1=1 => x=2)", True, Observation.ALWAYS),
        ("forall (x=2)", False, Observation.SOMETIMES),
        ("filter (x=2) forall (0:r1=1)", True, Observation.ALWAYS),
    ],
)
def test_the_quantifier_decides(condition, met, observation):
    judgement = judge(result_of(condition, (0, 0, 3), (1, 2, 1)))
    assert (judgement.met, judgement.observation) == (met, observation)


def test_an_unmet_exists_is_no_failure_but_an_unmet_forall_is():
    assert judge(result_of("exists (0:r1=7)", (0, 0, 1))).failures == ()
    assert judge(result_of("forall (0:r1=7)", (0, 0, 1))).failures == (
        "forall (0:r1=7) does not hold",
    )


@pytest.mark.parametrize(
    ("expected", "states", "agrees"),
    [
        ("allowed", [(1, 0, 1), (0, 0, 1)], True),
        ("allowed", [(0, 0, 1)], False),
        ("forbidden", [(0, 0, 1)], True),
        ("forbidden", [(1, 0, 1)], False),
        ("always", [(1, 0, 1)], True),
        ("always", [(1, 0, 1), (0, 0, 1)], False),
    ],
)
def test_an_expectation_is_of_its_host_only(expected, states, agrees):
    condition = f"exists (0:r1=1) expect power8 {expected}"
    assert (judge(result_of(condition, *states, host="power8")).failures == ()) is agrees
    assert judge(result_of(condition, *states, host="power9")).failures == ()


def test_an_expectation_replaces_the_quantifiers_demand():
    condition = "~exists (0:r1=1) expect power9 allowed"
    assert judge(result_of(condition, (1, 0, 1))).failures == ()


def test_what_is_required_must_be_reached():
    condition = "exists (true) require power9 (0:r1=1) require (x=5)"
    assert judge(result_of(condition, (1, 5, 1))).failures == ()
    assert judge(result_of(condition, (1, 0, 1))).failures == (
        "[x]=5 must be reachable on power9, and is not",
    )
    assert judge(result_of(condition, (0, 5, 1), host="power8")).failures == ()


def test_a_bounded_search_blames_nothing_on_what_it_has_not_seen():
    condition = "exists (0:r1=1) require (x=5) expect power9 allowed"
    cut = result_of(condition, (0, 0, 1), cut="exhaustive up to 2 preemptions")
    assert judge(cut).failures == ()


def test_a_violation_is_a_failure():
    result = result_of("exists (true)", (0, 0, 1))
    result.violations.append(Violation("lost", "thread 1 waits for ever", "0 1 1"))
    assert judge(result).failures == ("thread 1 waits for ever",)


def test_the_report_is_in_herds_form():
    result = result_of("exists (0:r1=1)", (10, 0, 3), (1, 2, 1), states=7, seconds=0.004)
    text = herd_text(result, judge(result))
    assert text.splitlines() == [
        "Test T Allowed",
        "Histogram (2 states)",
        "1     *>0:r1=1; [x]=2;",
        "3     :>0:r1=10; [x]=0;",
        "Ok",
        "Witnesses",
        "Positive: 1, Negative: 3",
        "Condition exists (0:r1=1)",
        "Observation T Sometimes 1 3",
        "Search T exhaustive, 7 states, end states counted, host power9",
        "Time T 0.00",
        text.splitlines()[-1],
    ]
    assert text.splitlines()[-1].startswith("Hash=")


def test_the_json_form_is_the_contract():
    result = result_of("exists (0:r1=1)", (1, 2, 1), executions=1)
    entry = json.loads(json.dumps(json_object(result, judge(result))))
    assert entry["name"] == "T"
    assert entry["verdict"] == "Always"
    assert entry["complete"] is True
    assert entry["executions"] == 1
    state = entry["states"][0]
    assert (state["r"], state["mem"], state["count"]) == ({"0:r1": 1}, {"x": 2}, 1)
    forall = result_of("forall (0:r1=1)", (0, 2, 1))
    assert json_object(forall, judge(forall))["verdict"] == "No"


def test_junit_has_a_case_for_each_result_and_the_schedule_of_a_failure():
    good = result_of("exists (0:r1=1)", (1, 2, 1))
    bad = result_of("exists (true)", (1, 2, 1))
    bad.violations.append(Violation("lost", "thread 1 waits for ever", "0 1 1"))
    suite = ET.fromstring(junit([(r, judge(r)) for r in (good, bad)]))  # noqa: S314 our own text
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite.find("testcase/failure")
    assert failure.get("message") == "thread 1 waits for ever"
    assert "schedule: 0 1 1" in failure.text
