"""Replays: exact, in a fresh machine, and along the new steps where the host's code has changed."""

from dataclasses import replace

import pytest

from emu.errors import ReplayError
from emu.explore import replay as replaying
from emu.explore.case import case_text, parse_case
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.replay import case_of, replay
from emu.explore.schedule import parse_short, short_text
from emu.explore.search import Choice, ChoiceKind, Options
from emu.explore.zoo import switched_on

BOTH_READ = """PPC both-read
SMT=2
{ 0:r4=db(1); 1:r4=db(0); }
 P0             | P1             ;
 msgsndp r4     | msgsndp r4     ;
 mfspr r5,DPDES | mfspr r5,DPDES ;
~exists (0:r5=1 /\\ 1:r5=2)
"""

MP = """PPC MP
{ 0:r1=1; 0:r8=x; 0:r9=y; 1:r8=x; 1:r9=y; }
 P0           | P1           ;
 stw r1,0(r8) | lwz r1,0(r9) ;
 stw r1,0(r9) | lwz r3,0(r8) ;
never (1:r1=0 /\\ 1:r3=1)
"""


def first_case(text, host="power9"):
    test = parse(text)
    options = Options(spurious=True)
    result = run(test, options, host)
    violation = (*result.violations, *result.witnesses)[0]
    return case_of(test, host, options, violation)


@pytest.fixture(scope="module")
def both_read():
    return first_case(BOTH_READ)


@pytest.fixture(scope="module")
def bare():
    return first_case(MP)


def test_a_case_is_reproduced_from_its_text(both_read, bare):
    for case in (both_read, bare):
        done = replay(parse_case(case_text(case)))
        assert done.reproduced
        assert (done.skipped, done.inserted) == (0, 0)
        assert done.schedule == case.schedule
    assert "0:r5=1; 1:r5=2;" in replay(both_read).outcome


def test_the_story_names_guest_instructions_and_host_code(both_read):
    told = replay(both_read).told
    assert told[0].what == "msgsndp r4"
    assert any("Write v1.doorbell_request" in step.what for step in told)
    assert any(step.place.startswith("kvmppc_read_dpdes:") for step in told)


def test_another_condition_is_not_reproduced(both_read):
    assert not replay(replace(both_read, condition="0:r5=3")).reproduced


def test_a_shorter_schedule_is_not_reproduced(both_read):
    cut = replace(both_read, schedule=both_read.schedule[:-5], trail=both_read.trail[:-5])
    assert not replay(cut).reproduced


def test_a_rule_of_every_state_is_judged_before_the_end(bare):
    assert not bare.at_end
    assert replay(bare).reproduced
    assert not replay(replace(bare, at_end=True, schedule=bare.schedule[:-1], trail=())).reproduced


def test_a_schedule_that_does_not_fit_is_refused_with_the_step(both_read):
    with pytest.raises(ReplayError, match="step 0 is 7, possible is 0 1"):
        replay(replace(both_read, schedule=tuple(parse_short("7")), trail=()))
    with pytest.raises(ReplayError, match="step 1 is 0d, possible is"):
        replay(replace(both_read, schedule=tuple(parse_short("0 0d")), trail=()))
    with pytest.raises(ReplayError, match="step 0 is 200, "):
        replay(replace(both_read, schedule=tuple(parse_short("200")), trail=("x",)))


def test_a_condition_about_a_thread_that_is_not_there_is_refused(both_read):
    with pytest.raises(ReplayError, match="names thread 5, but the program has 2"):
        replay(replace(both_read, condition="5:r1=0"))


def test_steps_that_are_new_in_this_version_are_inserted(both_read):
    """As if the host code of today had one more access than when the case was written."""
    gone = next(i for i, step in enumerate(both_read.trail) if "Read v0.request_exit" in step)
    old = replace(
        both_read,
        schedule=both_read.schedule[:gone] + both_read.schedule[gone + 1 :],
        trail=both_read.trail[:gone] + both_read.trail[gone + 1 :],
    )
    with pytest.raises(ReplayError):
        replay(replace(old, schedule=(*old.schedule, Choice(0, ChoiceKind.GO)), trail=()))
    done = replay(old)
    assert done.reproduced
    assert (done.skipped, done.inserted) == (0, 1)


def test_steps_that_are_gone_in_this_version_are_left_out(both_read):
    at = next(i for i, step in enumerate(both_read.trail) if "Read v0.request_exit" in step)
    old = replace(
        both_read,
        schedule=(*both_read.schedule[:at], both_read.schedule[at], *both_read.schedule[at:]),
        trail=(*both_read.trail[:at], "v0 lock_mmu:99 Write v0.mmu_ready", *both_read.trail[at:]),
    )
    done = replay(old)
    assert done.reproduced
    assert (done.skipped, done.inserted) == (1, 0)


def test_lines_and_addresses_of_a_trail_may_change(both_read):
    moved = tuple(step.replace(":", ":1", 1).replace("0x1", "0x2", 1) for step in both_read.trail)
    assert moved != both_read.trail
    done = replay(replace(both_read, trail=moved))
    assert done.reproduced
    assert (done.skipped, done.inserted) == (0, 0)


def test_a_loop_must_lead_back_to_where_it_began(both_read):
    assert not replay(replace(both_read, loop=3)).reproduced


def test_a_run_that_is_not_determined_is_noticed(both_read, monkeypatch):
    scenes = []

    def scene_of(case):
        scene = genuine(case)
        if scenes:
            scene.machine.vcpu[0].gpr[20] = 7
            scene.search.begin_here()
        scenes.append(scene)
        return scene

    genuine = replaying.scene_of
    monkeypatch.setattr(replaying, "scene_of", scene_of)
    with pytest.raises(ReplayError, match="two different states"):
        replay(both_read)


# Thread 0 waits for ever with the vcore's lock held, and thread 1 for the lock.
LOCKED = "PPC T\nSMT=2\n{ }\n P0     | P1   ;\n prod 1 | cede ;\n cede   |      ;\nexists (true)\n"


def test_who_waits_for_a_lock_asks_for_it_once_more_before_the_end():
    """A search lets him stand still there, so that step is not in the schedule it gives."""
    bug, options = "threads-not-grabbed", Options(max_states=60_000)
    with switched_on([bug]):
        result = run(parse(LOCKED), options, "power8")
        deadlocks = [v for v in result.violations if v.rule == "deadlock"]
        assert len(deadlocks) == 2
        cases = [case_of(parse(LOCKED), "power8", options, found, [bug]) for found in deadlocks]
    assert any(
        short_text(case.schedule) != found.schedule
        for case, found in zip(cases, deadlocks, strict=True)
    )
    assert all(replay(case).reproduced for case in cases)
