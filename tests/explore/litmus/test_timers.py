"""Time that passes in a search: armed decrementers, as choices with a budget for each run."""

from dataclasses import replace
from pathlib import Path

import pytest

from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.livelock import RULE
from emu.explore.replay import case_of, replay
from emu.explore.search import Algorithm, Options
from emu.hv.edit import Edit, applied

TESTS = Path(__file__).resolve().parents[3] / "guests" / "litmus"
OPTIONS = Options(spurious=True)

TICKS = """PPC T
EE=1
%s
{ 0:r9=100; 0:r7=0; }
 P0       ;
 mtdec r9 ;
 nop      ;
handler decrementer { mtdec r9; addi r7,r7,1; rfid }
locations [0:r7]
exists (trap(0,0x900)=%d)
"""


def ticks(timers, options=OPTIONS):
    test = parse(TICKS % (f"Timers={timers}", timers))
    result = run(test, options, "power9")
    return {str(outcome) for outcome in result.outcomes}, result


@pytest.mark.parametrize("algorithm", [Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR])
@pytest.mark.parametrize("timers", [0, 1, 3])
def test_a_decrementer_runs_out_as_often_as_the_header_says(timers, algorithm):
    outcomes, result = ticks(timers, replace(OPTIONS, algorithm=algorithm))
    assert outcomes == {f"0:r7={timers}; trap(0,0x900)={timers};"}
    assert result.complete


def test_an_option_gives_more_time_than_the_header():
    assert ticks(1, replace(OPTIONS, timers=2))[0] == {"0:r7=2; trap(0,0x900)=2;"}
    bounded = run(parse(TICKS % ("Limit=states:1000", 1)), replace(OPTIONS, timers=2), "power9")
    assert bounded.cut == "time passed at most 2 times"


@pytest.mark.parametrize("text", ["x", "-1", "12345", "?"])
def test_a_number_of_times_that_is_none_is_refused(text):
    with pytest.raises(LitmusError, match="Timers must be a number from 0 to 9999"):
        run(parse(TICKS % (f"Timers={text}", 1)), OPTIONS, "power9")


def test_a_decrementer_below_zero_is_due_without_time_passing():
    test = parse((TICKS % ("", 1)).replace("0:r9=100", "0:r9=-5").replace("mtdec r9;", "mtdec r8;")
                 .replace("0:r7=0;", "0:r7=0; 0:r8=0x7fffffff;"))  # fmt: skip
    assert {str(o) for o in run(test, OPTIONS, "power9").outcomes} == {"0:r7=1; trap(0,0x900)=1;"}


def test_a_decrementer_wraps_and_runs_out_again():
    """Half its range below zero it is positive again, and has a time to wait for."""
    test = parse("""PPC T
EE=0,0
Timers=2
{ 0:r9=-1; 0:r7=0; 1:r9=0x7fffffff; }
 P0       | P1       ;
 mtdec r9 | mtdec r9 ;
exists (true)
""")
    result = run(test, OPTIONS, "power9")
    (outcome,) = result.outcomes
    assert len(outcome.schedule) >= 2
    assert [choice.kind.name for choice in outcome.schedule].count("TIMER") == 2


@pytest.mark.parametrize("algorithm", [Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR])
def test_time_does_not_pass_between_the_instructions_of_a_step(algorithm):
    """A vcpu is not woken by a decrementer that has not run out for the guest."""
    test = parse("""PPC T
SMT=2
EE=0,0
Timers=1
{ 0:r6=100; 1:r7=100; 1:r0=0x7fffffff; 1:r9=0; }
 P0       | P1       ;
 mtdec r6 | prod 1   ;
          | mtdec r7 ;
          | cede     ;
          | cede     ;
handler decrementer { mtdec r0; addi r9,r9,1; rfid }
locations [1:r9; blocked(1)]
exists (true)
""")
    result = run(test, replace(OPTIONS, algorithm=algorithm), "power9")
    found = {tuple(outcome.state[o] for o in test.locations) for outcome in result.outcomes}
    assert found == {
        (0, 1),  # time passed before it set its decrementer, and not again
        (1, 0),
        (1, 1),  # the interrupt came before the last H_CEDE, which waits on
    }


@pytest.mark.parametrize("name", ["dec-cede", "dec-doorbell", "dec-cede-doorbell"])
def test_searches_agree_on_decrementers(name):
    path = TESTS / f"{name}.litmus"
    for host in load(path).hosts:
        seen = []
        for algorithm in (Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR):
            bounded = replace(OPTIONS, algorithm=algorithm, max_states=100_000)
            result = run(load(path), bounded, host)
            if result.complete:
                assert not judge(result).failures
                seen.append({str(outcome) for outcome in result.outcomes})
        assert len(seen) >= 2
        assert all(outcomes == seen[0] for outcomes in seen)


def test_a_case_in_which_time_passes_is_replayed():
    test = parse((TICKS % ("Timers=1", 1)).replace("exists", "~exists"))
    (witness,) = run(test, OPTIONS, "power9").witnesses
    assert "t" in witness.schedule
    assert replay(case_of(test, "power9", OPTIONS, witness)).reproduced


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize("delay", [0, 1, 2, 5, 20])
def test_time_stands_still_within_a_step_too_however_soon_the_decrementer_is(host, delay):
    """A replay takes one by one what a search takes at once."""
    text = f"PPC T\nTimers=1\n{{ 0:r9={delay}; }}\n P0 ;\n mtdec r9 ;\n cede ;\nexists (true)\n"
    test = parse(text)
    (found,) = run(test, OPTIONS, host).violations
    assert "took interrupt 0x900" in found.explanation
    assert replay(case_of(test, host, OPTIONS, found)).reproduced


def test_who_waits_for_the_decrementer_does_not_spin_for_ever():
    """As long as time may pass, bound or no bound, nobody goes round for ever."""
    test = """PPC T
EE=1
%s
{ 0:r9=100; 0:r1=x; 0:r2=1; }
 P0 ;
 mtdec r9 ;
 l: lwz r3,0(r1) ;
 cmpwi r3,0 ;
 beq l ;
handler decrementer { mtdec r9; %s; rfid }
exists (true)
"""
    for timers in ("Timers=0", "Timers=1"):
        assert not run(parse(test % (timers, "stw r2,0(r1)")), OPTIONS, "power9").violations
    assert not run(parse(test % ("Timers=1", "nop")), OPTIONS, "power9").violations


@pytest.mark.parametrize("where", ["kvmppc_vcore_blocked", "kvmppc_vcpu_woken"])
def test_a_sleep_that_no_decrementer_ends_is_a_lost_wakeup(where):
    edits = {
        "kvmppc_vcore_blocked": (
            "yield Await(nonzero(vcpu.awake), deadline=vcpu.timer)",
            "yield Await(nonzero(vcpu.awake))",
        ),
        "kvmppc_vcpu_woken": ("return expired", "return False"),
    }
    test = load(TESTS / "dec-cede.litmus")
    with applied([Edit(f"emu.hv.cede:{where}", *edits[where])]):
        result = run(test, OPTIONS, "power9")
        violations = [v for v in result.violations if v.rule in ("lost", RULE)]
        assert violations
        assert replay(case_of(test, "power9", OPTIONS, violations[0])).reproduced
