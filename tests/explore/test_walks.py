"""Walks look at the hypervisor's invariants after every step."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.stage import prepare
from emu.explore.search import Options
from emu.explore.walks import Walker, breach_of
from emu.explore.zoo import switched_on

SIGNAL = parse("""PPC signal
SMT=2
Agent=signal:0
{ }
 P0           | P1   ;
 mfspr r3,TIR | cede ;
exists (true)
""")


def walked(host, seed):
    """Return a stage, and what a walk on it breaks."""
    stage = prepare(build(SIGNAL), Options(fine=True, ample=False, landing=True), host)
    with closing(Walker(stage.search, stage.host)) as walker:
        return stage, walker.walk(random.Random(seed))


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_no_walk_breaks_an_invariant(host):
    assert [walked(host, seed)[1] for seed in range(5)] == [None] * 5


def test_a_walk_finds_a_broken_invariant_and_its_schedule_shows_it_again():
    with switched_on(["mmu-switch-by-any-thread"]):
        stage, breach = next(found for s in range(9) if (found := walked("power8", s))[1])
        assert "LPIDR" in breach.sentence
        assert breach_of(stage.search, stage.host, breach.schedule) == breach.sentence
        assert breach_of(stage.search, stage.host, breach.schedule[:-1]) == ""
