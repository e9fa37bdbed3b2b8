"""A search's schedule, one instruction or host operation at a time, forwards and backwards."""

import random
from pathlib import Path

import pytest

from emu.debug.choices import Choices
from emu.debug.inspected import Inspected
from emu.debug.session import Session
from emu.debug.stops import Catchpoint
from emu.errors import ConfigError
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.stage import prepare
from emu.explore.search import Choice, ChoiceKind, Options

GUESTS = Path(__file__).parents[2] / "guests/litmus"
FINE = Options(delayed=True, landing=True, fine=True, ample=False, spurious=True)
SENDING = """PPC sending
EE=1,1
{
0:r4=db(1); 0:r5=1; 0:r6=x;
1:r6=x;
}
 P0          | P1          ;
 stw r5,0(r6) | lwz r7,0(r6) ;
 msgsndp r4   | lwz r8,0(r6) ;
handler doorbell { rfid }
exists (1:r7=0)
"""


def staged(name, host):
    laboratory = Inspected()
    stage = prepare(build(load(GUESTS / f"{name}.litmus")), FINE, host, laboratory)
    return laboratory.frame, stage.search


def a_run(name, host, source):
    """Any schedule in the finest steps, and what is shown at its end."""
    _, search = staged(name, host)
    search.reset()
    plan = []
    while (possible := search.choices()) and len(plan) < 400:
        plan.append(source.choice(possible))
        search.take(plan[-1])
    return plan, search.values()


def debugged(name, host, plan=()):
    frame, search = staged(name, host)
    return Session(frame, history=Choices(frame, search, plan)), search


TESTS = [("flag-then-cede", "power8"), ("flag-then-cede", "power9"), ("send-clear", "power8"),
         ("send-clear", "power9"), ("migrate-doorbell", "power8"), ("migrate-doorbell", "power9"),
         ("both-read", "power8")]  # fmt: skip


@pytest.mark.parametrize(("name", "host"), TESTS)
def test_a_schedule_step_by_step_ends_as_it_does_at_once_and_is_written_down_again(name, host):
    source = random.Random(5)
    plan, shown = a_run(name, host, source)
    session, search = debugged(name, host, plan)
    digests = [session.timeline.digest()]
    while session.steps().kind == "step":
        digests.append(session.timeline.digest())
    assert session.at_end
    assert search.values() == shown
    assert session.timeline.schedule() == plan
    for _ in range(40):
        session.goto(source.randrange(len(digests)))
        assert session.timeline.digest() == digests[session.position]


@pytest.mark.parametrize(("name", "host"), TESTS)
@pytest.mark.parametrize("seed", range(3))
def test_every_way_back_is_the_inverse_of_its_way_forth(name, host, seed):
    source = random.Random(seed)
    session, _ = debugged(name, host, a_run(name, host, source)[0])
    for _ in range(6):
        session.goto(source.randrange(session.timeline.frontier + 1))
        vcpu = source.randrange(len(session.host.vcpus))
        session.select(vcpu)
        forth, back = source.choice(
            [
                (session.stepi, session.reverse_stepi),
                (session.hstep, session.reverse_hstep),
                (session.steps, session.reverse_steps),
            ]
        )
        if forth().kind != "step":
            continue
        passed = [(session.position, session.timeline.digest())]
        while len(passed) < 12 and forth().kind == "step":
            passed.append((session.position, session.timeline.digest()))
        session.goto(passed[-1][0])
        session.select(vcpu)  # the end is about the one that went last
        for expected in passed[-2::-1]:
            assert back().kind == "step"
            assert (session.position, session.timeline.digest()) == expected
        for expected in passed[1:]:
            forth()
            assert (session.position, session.timeline.digest()) == expected


@pytest.mark.parametrize(("name", "host"), TESTS)
def test_what_is_done_by_hand_is_a_schedule_that_does_the_same(name, host):
    source = random.Random(9)
    session, search = debugged(name, host)
    for _ in range(30):
        able = [actor for actor in range(len(session.host.actors))
                if session.timeline.can_go(actor)]  # fmt: skip
        if not able:
            break
        session.run_alone(source.choice(able), source.randrange(1, 4))
    session.cont()
    shown = search.values()
    again, search = debugged(name, host, session.timeline.schedule())
    again.cont()
    assert again.timeline.misfit is None
    assert search.values() == shown


def small():
    laboratory = Inspected()
    stage = prepare(build(parse(SENDING, "sending")), FINE, "power8", laboratory)
    return Session(laboratory.frame, history=Choices(laboratory.frame, stage.search))


def test_a_doorbell_arrives_when_it_is_chosen_to():
    session = small()
    session.run_alone(0, 2)
    assert session.evaluate("v1.dpdes") == 0
    delivered = Choice(1, ChoiceKind.DELIVER)
    assert delivered in session.timeline.possible()
    assert session.next_step() == "the doorbell sent to cpu1 arrives"
    session.run_alone(1, 1)
    assert session.evaluate("v1.r7") == 1
    session.timeline.choose(delivered)
    session.catch(Catchpoint(0, "interrupt 0xa00", kind="interrupt", numbers=(0xA00,)))
    assert session.cont().kind == "catch"
    assert session.evaluate("v1.nia") == 0xA00
    with pytest.raises(ConfigError, match="cannot happen now"):
        session.timeline.choose(delivered)


def test_breakpoints_watches_and_edits_work_in_both_directions():
    session = small()
    watch = session.watch("u32(0x20000)")
    stop = session.cont()
    assert (stop.kind, session.evaluate("u32(0x20000)")) == ("watch", 1)
    here = session.timeline.digest()
    session.delete(watch.number)
    session.break_at(session.nia(session.host.vcpus[1]))
    session.run_alone(0, 1)
    assert session.cont().kind == "breakpoint"
    session.store(0x20000, 7, 4)
    session.cont()
    assert session.evaluate("v1.r7") == 7
    session.watch("u32(0x20000)")
    session.reverse_cont()
    assert "by hand: 4 bytes at 0x20000" in session.last_change("u32(0x20000)")[1]
    while session.timeline.edits[0].position < session.position:
        session.reverse_cont()
    assert session.timeline.digest() == here
    with pytest.raises(ConfigError, match="cannot be written"):
        session.store(0x10000, 0, 4)


def test_only_the_locked_thread_moves():
    session = small()
    session.locked = True
    session.select(1)
    assert session.stepi(2).kind == "step"
    assert session.evaluate("v0.ic") == 0
    assert session.stepi().kind == "waits"
