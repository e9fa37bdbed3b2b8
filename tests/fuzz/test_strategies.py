"""What Hypothesis draws: the same for a seed everywhere, within bounds, and all that there is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emu.explore.litmus.parse import parse
from emu.explore.litmus.text import litmus_text
from emu.fuzz.lowering import litmus
from emu.fuzz.programs import AGENTS, FAMILIES, MAX_OPS, OPERATIONS, Bounds
from emu.fuzz.strategies import drawn

HOSTS = ("power7", "power8", "power9")


@pytest.mark.parametrize("host", HOSTS)
def test_programs_are_tests_that_read_back(host):
    for program in drawn(host, Bounds(), 1, 100):
        test = litmus(program, host)
        assert litmus_text(parse(test.text)) == test.text


def test_as_many_as_asked_for_are_drawn_and_few_are_equal():
    programs = list(drawn("power9", Bounds(), 3, 200))
    assert len(programs) == 200
    assert len(set(programs)) > 190


def test_a_seed_draws_the_same_in_a_process_that_has_other_modules(tmp_path):
    script = (
        "from emu.fuzz.strategies import drawn; from emu.fuzz.programs import Bounds\n"
        "print(list(drawn('power8', Bounds(), 7, 40)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "5"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out == f"{list(drawn('power8', Bounds(), 7, 40))}\n"
    assert list(tmp_path.iterdir()) == []  # Hypothesis leaves nothing in the working directory


def test_another_seed_draws_others():
    assert not set(drawn("power9", Bounds(), 1, 50)) & set(drawn("power9", Bounds(), 2, 50))


def test_bounds_are_kept():
    for program in drawn("power9", Bounds(smt=4, threads=3, little=True), 2, 50):
        assert (program.smt, len(program.threads), program.little) == (4, 3, True)


def test_everything_there_is_is_drawn():
    programs = list(drawn("power9", Bounds(), 0, 1000))
    assert {op.name for p in programs for _, _, op in p.operations()} == set(OPERATIONS)
    agents = {agent.partition(":")[0] for p in programs for agent in p.agents}
    assert agents == set(AGENTS) - {"from-power9"}
    assert {p.core for p in programs} == {0, 1}
    assert {p.smt for p in programs} == {1, 2, 4, 8}
    assert max(len(ops) for p in programs for ops in p.threads) == MAX_OPS


def test_power7_has_no_doorbells_to_draw():
    for program in drawn("power7", Bounds(), 4, 100):
        assert not any(OPERATIONS[op.name].native for _, _, op in program.operations())


def test_a_vm_comes_from_another_host_than_its_own():
    for host in HOSTS:
        agents = {a for p in drawn(host, Bounds(), 6, 600) for a in p.agents}
        assert f"from-{host}" not in agents
        assert len([a for a in agents if a.startswith("from-")]) == (host != "power7")


def test_each_operation_is_in_one_family():
    names = [name for family in FAMILIES for name in family]
    assert sorted(names) == sorted(OPERATIONS)


def test_many_programs_are_about_few_things():
    families = {name: family for family in FAMILIES for name in family}
    few = 0
    for program in drawn("power9", Bounds(), 8, 300):
        count = sum(map(len, program.threads))
        few += count >= 4 and len({families[op.name] for _, _, op in program.operations()}) <= 2
    assert few > 20
