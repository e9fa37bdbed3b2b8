"""Outcomes of one host within those of another, and the deviations that are accepted."""

from pathlib import Path

import pytest

from emu.errors import ConfigError
from emu.explore.deviations import DEVIATIONS
from emu.explore.litmus.guest import build
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.refinement import Pair, parse_pair, refine
from emu.explore.litmus.run import search_options
from emu.explore.litmus.stage import prepare
from emu.explore.schedule import parse_short
from emu.explore.search import Options

SUITE = Path(__file__).parents[3] / "guests" / "litmus"
TRAPPED = Pair("power9", "power8")
BOTH_READ = (SUITE / "both-read.litmus").read_text()
ACCEPTED = "expect power9 allowed deviation=dpdes-read-not-atomic"


def refined(text, pair=TRAPPED):
    return refine(parse(text), pair, Options())


def test_doorbells_under_trap_and_emulation_lie_within_native_ones_up_to_the_deviations():
    laboratory = Laboratory()
    done = [
        refine(load(path), TRAPPED, Options(), laboratory)
        for path in sorted(SUITE.glob("*.litmus"))
    ]
    assert len(done) > 40
    assert [(one.test.name, one.failures) for one in done if one.failures] == []
    witnessed = {(one.test.name, extra.deviation) for one in done for extra in one.extras}
    assert {(d.test, d.name) for d in DEVIATIONS.values()} <= witnessed


def test_an_outcome_that_nobody_accepts_is_a_failure():
    one = refined(BOTH_READ.replace(ACCEPTED, "expect power9 allowed"))
    assert [extra.deviation for extra in one.extras] == [None]
    assert "0:r5=1; 1:r5=2; pend(0)=1; pend(1)=1; is possible on power9" in one.failures[0]


def test_a_deviation_covers_only_the_outcomes_of_its_condition():
    one = refined(BOTH_READ.replace("exists (0:r5=1", "exists (0:r5=2"))
    assert [extra.deviation for extra in one.extras] == [None]
    assert any("is claimed, and no outcome shows it" in failure for failure in one.failures)


def test_a_deviation_that_nothing_witnesses_any_more_is_a_failure():
    one = refined(BOTH_READ.replace("mfspr r5,DPDES | mfspr r5,DPDES", "li r5,0 | li r5,0"))
    assert one.extras == ()
    assert one.failures == (
        "the deviation dpdes-read-not-atomic is claimed, and no outcome shows it",
        "0:r5=1 /\\ 1:r5=2, the witness of dpdes-read-not-atomic, is gone",
    )


def test_a_deviation_that_does_not_exist_is_a_failure():
    one = refined(BOTH_READ.replace("dpdes-read-not-atomic", "moon-phase"))
    assert any(failure.startswith("there is no deviation moon-phase") for failure in one.failures)


def test_traps_are_nothing_that_a_guest_sees():
    text = """PPC T
SMT=2
{ 0:r4=db(1) }
 P0         | P1  ;
 msgsndp r4 | nop ;
locations [trap(0,0xf80); pend(1)]
exists (true)
"""
    assert refined(text).failures == ()


def test_the_other_way_round_the_refinement_does_not_hold():
    one = refined(BOTH_READ, Pair("power8", "power9"))
    assert one.failures
    assert all(extra.deviation is None for extra in one.extras)


def test_a_bound_of_the_test_is_lifted_before_an_outcome_is_called_impossible():
    text = BOTH_READ.replace("SMT=2", "SMT=2\nLimit=preempt:0")
    bounded = refine(parse(text), Pair("power8", "power9"), Options())
    assert "power8: exhaustive up to 0 preemptions" in bounded.cut
    assert "power9" not in bounded.cut


def test_the_schedule_of_an_extra_outcome_leads_to_it():
    test = parse(BOTH_READ)
    (extra,) = refine(test, TRAPPED, Options()).extras
    options = search_options(test, Options(fine=True))
    stage = prepare(build(test), options, "power9")
    stage.search.reset()
    assert all(stage.search.take(choice) for choice in parse_short(extra.schedule))
    shown = dict(zip(map(str, stage.watched), stage.search.values(), strict=False))
    assert (shown["0:r5"], shown["1:r5"]) == (1, 2)


@pytest.mark.parametrize("text", ["power9", "power9:", "power9:power9", "power9:power10", ""])
def test_a_pair_is_two_different_hosts(text):
    with pytest.raises(ConfigError, match="HOST:HOST"):
        parse_pair(text)
