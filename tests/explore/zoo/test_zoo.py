"""Every bug of the zoo fits the host code, and is found by the tests that its entry names."""

import inspect
from pathlib import Path

import pytest

from emu.errors import ConfigError
from emu.explore.litmus.parse import load
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge, missing
from emu.explore.minimise import minimised
from emu.explore.search import Options
from emu.explore.zoo import ZOO, must_concern, switched_on
from emu.hv.automaton import HostCodeError
from emu.hv.host import Host
from emu.hv.plain import complaints
from emu.hv.policy import Policy

SUITE = Path(__file__).resolve().parents[3] / "guests" / "litmus"
KILLS = [
    pytest.param(bug, kill, id=f"{bug.name}-{kill.test}-{kill.host}")
    for bug in ZOO.values()
    for kill in bug.killed_by
]


def failures(kill):
    return judge(run(load(SUITE / f"{kill.test}.litmus"), Options(), kill.host)).failures


@pytest.mark.parametrize(("bug", "kill"), KILLS)
def test_a_bug_is_found_by_its_test_which_the_healthy_code_passes(bug, kill):
    assert failures(kill) == ()
    with switched_on([bug.name]):
        assert failures(kill)


@pytest.mark.parametrize("bug", ZOO.values(), ids=ZOO)
def test_an_edit_fits_the_host_code_and_stays_within_its_rules(bug):
    assert bug.edits
    assert bug.killed_by
    assert bug.diff
    for edit in bug.edits:
        assert complaints(edit.source, edit.file) == []
        lines, first = inspect.getsourcelines(edit.function())
        inside = range(first, first + len(lines))
        assert all(line in inside for *_, line in edit.code().co_lines() if line is not None)


# Searching these again and again takes longer than all others together.
LARGE = {
    "escalation-sets-prodded",
    "first-come-threads",
    "mmu-switch-by-any-thread",
    "doorbell-wakes-empty-thread",
}


@pytest.mark.parametrize("name", [name for name in ZOO if name not in LARGE])
def test_a_counterexample_has_two_threads_and_four_operations_at_most(name):
    kill = ZOO[name].killed_by[0]
    path = SUITE / f"{kill.test}.litmus"
    with switched_on([name]):
        result = run(load(path), Options(), kill.host)
        violation = (*result.violations, *result.witnesses, *missing(result))[0]
        small = minimised(load(path), kill.host, Options(), violation)
    columns = [cells for cells in small.test.threads if cells]
    assert len(columns) <= 2
    assert sum(map(len, columns)) <= 4
    assert small.fewest


def test_a_bug_is_gone_after_its_block():
    functions = [edit.function() for bug in ZOO.values() for edit in bug.edits]
    before = [function.__code__ for function in functions]
    for name in ZOO:
        with switched_on([name]):
            pass
    assert [function.__code__ for function in functions] == before


def test_an_unknown_bug_is_refused_with_names_that_are_near():
    with pytest.raises(ConfigError, match="did you mean lost-kick"), switched_on(["lostkick"]):
        pass


def test_two_bugs_in_one_function_are_refused():
    names = ["host-ipi-swallowed", "host-ipi-not-tested-again"]
    if not ZOO.keys() >= set(names):
        names = ["lost-kick", "shared-dpdes-overwrite"]
    with pytest.raises(ConfigError, match="one bug at a time"), switched_on(names):
        pass


def test_two_bugs_in_different_functions_hold_together():
    with switched_on(["prod-wakes-caller", "cede-ignores-doorbell"]):
        test = load(SUITE / "send-cede.litmus")
        assert judge(run(test, Options(), "power9")).failures


def test_a_host_learns_nothing_of_code_that_changed_under_it():
    host = Host("power9")
    host.create_vm().create_vcpu()
    host.build()
    with switched_on(["lost-kick"]), pytest.raises(HostCodeError):
        host.run()


def test_a_machine_that_cannot_have_a_bug_is_told_so():
    with pytest.raises(ConfigError, match="bug of power9, got host power8"):
        must_concern(["lost-kick"], "power8")
    with pytest.raises(ConfigError, match="--entry-exit count, got map"):
        must_concern(["hdec-does-not-wake-nap"], "power8", Policy())
