"""A VM that is saved and restored in the middle of a recorded run."""

import random

import pytest

from debug.test_injecting import NAPPING, SPIN
from debug.test_session import random_guest, session, states
from emu.debug import injecting
from emu.debug.commands import Interpreter
from emu.debug.migrating import migrate
from emu.explore.zoo import switched_on
from emu.hv.schedulers import RoundRobin

HOSTS = ["power7", "power8", "power9"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(8))
def test_a_guest_goes_on_as_if_nothing_had_been_and_both_ways_are_exact(host, seed):
    source = random.Random(f"{host}{seed}")
    text, smt = random_guest(source), source.choice([1, 2, 4])
    scheduler = RoundRobin(source.choice([1, 5, 50]))
    debugged = session(text, smt=smt, host=host, scheduler=scheduler)
    debugged.begin()
    debugged.steps(source.randrange(900))
    passed = []
    for _ in range(3):
        passed.append(states(debugged))
        migrate(debugged)
        passed.append(states(debugged))
        debugged.steps(source.randrange(100))
    passed.append(states(debugged))
    for position, digest in (*passed[::-1], *passed):
        debugged.goto(position)
        assert debugged.timeline.digest() == digest
    stop = debugged.cont()
    assert stop.kind == "end"
    if smt == 1:  # nobody else's timing decides
        untouched = session(text, smt=smt, host=host, scheduler=scheduler)
        assert stop.text == untouched.cont().text


@pytest.mark.parametrize("host", HOSTS)
def test_registers_memory_and_what_pends_come_through(host):
    debugged = session(SPIN, smt=2, host=host)
    debugged.steps(3000)
    debugged.store(0x4000, 0x1234, 8)
    if host != "power7":
        injecting.doorbell(debugged, debugged.host.vcpus[1])
    names = ["v0.r14", "v1.r14", "v0.nia", "v1.msr", "v0.dpdes", "v1.cr", "u64(0x4000)", "v0.ic"]
    before = [debugged.evaluate(name) for name in names]
    migrate(debugged)
    assert [debugged.evaluate(name) for name in names] == before
    debugged.steps(3000)
    assert debugged.evaluate("v0.r14") > before[0]


@pytest.mark.parametrize(("bugs", "taken"), [((), 1), (("dpdes-lost-on-migration",), 0)])
def test_a_doorbell_lost_on_migration_is_found_by_hand(bugs, taken):
    with switched_on(bugs):
        debugged = session(SPIN, smt=2)
        debugged.steps(3000)
        injecting.doorbell(debugged, debugged.host.vcpus[1])
        debugged.steps(1)
        migrate(debugged)
        assert debugged.evaluate("v1.dpdes >> 1") == taken


def test_ceded_vcpus_are_ceded_afterwards():
    debugged = session(NAPPING, smt=2)
    debugged.steps(6000)
    assert debugged.evaluate("v1.ceded") == 1
    migrate(debugged)
    assert debugged.evaluate("v1.ceded") == 1
    debugged.steps(3000)
    assert debugged.evaluate("v1.r15") == 0


def test_the_prompt_says_where_it_went_and_what_was_done_by_hand():
    lines = []
    prompt = Interpreter(session(SPIN, smt=2), lines.append)
    prompt.session.steps(3000)
    prompt.execute("migrate")
    assert lines == [f"saved and restored: @3000 to @{prompt.session.position}"]
    prompt.execute("goto 3000")
    prompt.execute("info next")
    assert lines[-1] == "by hand: a signal to every vcpu of vm0"


def test_a_run_that_is_over_cannot_migrate():
    debugged = session("_start: li 4,0; exit!", smt=1)
    debugged.cont()
    before = states(debugged)
    with pytest.raises(Exception, match="the run is over here"):
        migrate(debugged)
    assert states(debugged) == before
