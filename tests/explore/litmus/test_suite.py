"""Every test in guests/litmus meets all that it says, on every host that it names."""

from pathlib import Path

import pytest

from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.parse import load
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.search import Algorithm, Options

FOLDER = Path(__file__).resolve().parents[3] / "guests" / "litmus"
FILES = sorted(FOLDER.glob("*.litmus"))
CASES = [(path, host) for path in FILES for host in load(path).hosts]


@pytest.mark.parametrize(("path", "host"), CASES, ids=[f"{p.stem}-{h}" for p, h in CASES])
def test_it_holds(path, host):
    result = run(load(path), Options(), host)
    assert judge(result).failures == ()
    assert result.states


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_it_says_what_it_is_about_and_where_it_runs(path):
    test = load(path)
    assert test.name == path.stem
    assert test.title
    assert test.hosts
    # An `exists` alone demands nothing: then every host has an expectation of its own.
    if test.quantifier == "exists":
        assert {e.host for e in test.expectations} == set(test.hosts)


def test_there_are_at_least_30_and_every_host_has_some():
    assert len(FILES) >= 30
    assert {host for path in FILES for host in load(path).hosts} == {"power7", "power8", "power9"}


@pytest.mark.parametrize(("host", "enough"), [("power7", 5), ("power8", 20), ("power9", 30)])
def test_source_dpor_agrees_wherever_both_engines_finish(host, enough):
    laboratory, agreed = Laboratory(), []
    by_trace = Options(algorithm=Algorithm.DPOR, max_states=20_000, max_steps=1000)
    for path in (path for path, its_host in CASES if its_host == host):
        test = load(path)
        traces = run(test, by_trace, host, laboratory=laboratory)
        if traces.cut or "Limit" in test.header:
            continue
        states = run(test, Options(), host, laboratory=laboratory)
        assert {str(o) for o in states.outcomes} == {str(o) for o in traces.outcomes}, path.stem
        agreed.append(path.stem)
    assert len(agreed) >= enough
