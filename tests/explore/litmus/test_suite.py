"""Every test in guests/litmus meets all that it says, on every host that it names."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", ["send-clear", "mp-doorbell", "send-cede", "ee-window"])
@pytest.mark.parametrize("host", ["power8", "power9"])
def test_source_dpor_agrees(name, host):
    path = FOLDER / f"{name}.litmus"
    by_state = run(load(path), Options(), host)
    by_trace = run(load(path), Options(algorithm=Algorithm.DPOR), host)
    assert {str(o) for o in by_state.outcomes} == {str(o) for o in by_trace.outcomes}
