"""Every command that goes back is the exact inverse of the one that goes forth.

Random guests with hypervisor activity (doorbells, hcalls, decrementers, preemption by a shared
core), random schedulers, all host generations; the judge is the digest of the whole state.
"""

import random

import pytest
from hv.machine import machine

from debug.test_session import program_of, random_guest
from emu.debug import injecting
from emu.debug.expression import parse
from emu.debug.migrating import migrate
from emu.debug.returning import FEW
from emu.debug.session import Session
from emu.debug.stops import Catchpoint
from emu.errors import EmuError
from emu.hv.event import Event
from emu.hv.ops import Reason
from emu.hv.schedulers import Pct, Random, RoundRobin

HOSTS = ["power7", "power8", "power9"]
FUNCTIONS = """
leaf:   addi 25,25,1
        blr
outer:  mflr 26
        bl leaf
        addi 27,27,1
        bl leaf
        mtlr 26
        blr
"""
TIMER = ["li 20,200", "mtspr 22,20"]


def a_session(source, host):
    """A guest that calls functions and sets its decrementer, somewhere in its run.

    With more virtual cores than the host has room for, tasks are preempted.
    """
    smt = source.choice([1, 2, 4])
    shared = 5 if smt == 1 else 2  # virtual cores, more than there is room for
    vcpu_ids = range(smt * source.choice([1, 1, shared]))
    text = random_guest(source)
    calls = source.choice(["bl leaf", "bl outer", "bl outer; bl leaf"])
    text = text.replace("again:\n", f"{'; '.join(TIMER)}\nagain: {calls}\n") + FUNCTIONS
    scheduler = source.choice([RoundRobin(1), RoundRobin(5), RoundRobin(50), Random(30), Pct(3)])
    made = machine(text, smt=smt, vcpu_ids=vcpu_ids, host=host)
    session = Session(made, program_of(text), scheduler)
    session.begin()
    session.steps(source.randrange(2000))
    somebody(source, session)
    return session


def state(session):
    return session.position, session.timeline.digest()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(4))
def test_many_steps_at_once_are_as_many_one_by_one(seed, host):
    source = random.Random(seed)
    session = a_session(source, host)
    if source.random() < 0.5:
        session.catch(Catchpoint(0, "cede", kind="hcall", numbers=(0xE0,)))
    here, vcpu, count = session.position, session.vcpu.index, source.randrange(2, 300)
    for _ in range(count):
        stop = session.stepi()
        if stop.kind != "step":
            break
    one_by_one = state(session), session.vcpu.index, stop.kind
    session.goto(here)
    session.select(vcpu)
    stop = session.stepi(count)
    assert (state(session), session.vcpu.index, stop.kind) == one_by_one


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(4))
def test_many_steps_back_at_once_are_as_many_one_by_one(seed, host):
    source = random.Random(seed)
    session = a_session(source, host)
    session.stepi(source.randrange(400))
    here, vcpu = session.position, session.vcpu.index
    for count in (FEW + 1, source.randrange(FEW + 2, 300), 100_000):
        for _ in range(count):
            stop = session.reverse_stepi()
            if stop.kind != "step":
                break
        one_by_one = state(session), stop.kind
        session.goto(here)
        session.select(vcpu)
        stop = session.reverse_stepi(count)
        assert (state(session), stop.kind) == one_by_one
        session.goto(here)
    assert stop.kind == "begin"


def somebody(source, session):
    session.select(source.randrange(len(session.host.vcpus)))
    return session.vcpu.index


STEPS = {
    "stepi": (Session.stepi, Session.reverse_stepi),
    "nexti": (Session.nexti, Session.reverse_nexti),
    "step": (lambda s: s.step_line(over=False), lambda s: s.reverse_step_line(over=False)),
    "next": (lambda s: s.step_line(over=True), lambda s: s.reverse_step_line(over=True)),
    "hstep": (Session.hstep, Session.reverse_hstep),
    "tick": (Session.steps, Session.reverse_steps),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("command", STEPS)
@pytest.mark.parametrize("seed", [*range(4), 1001])  # there a vcpu is called out right after a call
def test_steps_of_every_kind(host, command, seed):
    source = random.Random(f"{host}{command}{seed}")
    session = a_session(source, host)
    session.until(session.evaluate("again"))  # not in a function, which nexti would leave
    forth, back = STEPS[command]
    vcpu = session.vcpu.index
    if forth(session).kind != "step":
        return  # it waits for ever, or the run is over
    passed = [state(session)]
    while len(passed) < 20 and forth(session).kind == "step":
        passed.append(state(session))
    session.goto(passed[-1][0])
    session.select(vcpu)
    for expected in passed[-2::-1]:
        assert back(session).kind == "step"
        assert state(session) == expected
    for expected in passed[1:]:
        forth(session)
        assert state(session) == expected


def set_points(source, session):
    """Two or three things that stop a run."""
    address = session.evaluate("_start")
    possible = [
        lambda: session.break_at(session.evaluate("leaf")),
        lambda: session.break_at(address + 4 * source.randrange(12)),
        lambda: session.watch("v0.dpdes"),
        lambda: session.watch("v0.r13"),
        lambda: session.watch(f"u64({0x3000 + 8 * source.randrange(4):#x})"),
        lambda: session.watch("v0.ceded"),
        lambda: session.watch_access(0x3000, 32, loads=source.random() < 0.5, stores=True),
        lambda: session.catch(Catchpoint(0, "interrupt", kind="interrupt", numbers=(0x900, 0xA00))),
        lambda: session.catch(Catchpoint(0, "cede", kind="hcall", numbers=(0xE0,))),
        lambda: session.catch(Catchpoint(0, "exit", kind="exit", numbers=tuple(Reason))),
        lambda: session.catch(Catchpoint(0, "event", kind="event", numbers=(Event.ENTER.number,))),
        lambda: session.catch(
            Catchpoint(0, "msgsndp", kind="instruction", words=((0xFC0007FE, 0x7C00011C),))
        ),
    ]
    for make in source.sample(possible, 3):
        make()
    point = source.choice(session.points)
    if source.random() < 0.5:
        point.condition = parse(source.choice(["r9 & 1", "ic & 3", "r13 != 2"]))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(12))
def test_continuing_stops_at_the_same_places_in_both_directions(host, seed):
    source = random.Random(f"{host}points{seed}")
    session = a_session(source, host)
    session.goto(0)
    set_points(source, session)
    forth = []
    while len(forth) < 15:
        stop = session.cont()
        forth.append((*state(session), stop.kind))
        if stop.kind == "end":
            break
    if len(forth) < 2:
        return
    for expected in forth[-2::-1]:
        stop = session.reverse_cont()
        assert (*state(session), stop.kind) == expected
    assert session.reverse_cont().kind == "begin"
    for expected in forth:
        stop = session.cont()
        assert (*state(session), stop.kind) == expected


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("seed", range(6))
def test_all_of_it_mixed_with_what_is_done_by_hand(host, seed):
    source = random.Random(f"{host}mixed{seed}")
    session = a_session(source, host)
    seen = dict([state(session)])
    moves = [
        *(pair[0] for pair in STEPS.values()),
        *(pair[1] for pair in STEPS.values()),
        Session.cont,
        Session.reverse_cont,
        lambda s: s.goto(source.randrange(s.timeline.frontier + 1)),
        lambda s: s.until(s.evaluate("leaf")),
        lambda s: s.run_alone(s.actor_of(s.vcpu), source.randrange(1, 9)),
    ]
    for _ in range(40):
        somebody(source, session)
        try:
            if source.random() < 0.1:
                by_hand = source.choice(
                    [
                        lambda: injecting.doorbell(session, session.vcpu),
                        lambda: injecting.preempt(session, session.vcpu),
                        lambda: migrate(session),
                    ]
                )
                seen = {at: digest for at, digest in seen.items() if at <= session.position}
                by_hand()
            elif source.random() < 0.1:
                session.points.clear()
                set_points(source, session)
            else:
                before = session.timeline.edits[:]
                source.choice(moves)(session)
                if session.timeline.edits != before:  # another turn: another future
                    new = [e.position for e in session.timeline.edits if e not in before]
                    limit = min(new, default=-1)
                    seen = {at: digest for at, digest in seen.items() if at <= limit}
        except EmuError:
            continue
        here, digest = state(session)
        assert seen.setdefault(here, digest) == digest
    for at, digest in seen.items():
        if at <= session.timeline.frontier:
            session.goto(at)
            assert state(session) == (at, digest)
