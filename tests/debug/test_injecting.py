"""Interrupts, doorbells, preemption and registers by hand, on every host generation."""

import random

import pytest
from hv.machine import machine

from debug.test_session import program_of, random_guest, session, states
from emu.debug import injecting
from emu.debug.registers import set_register
from emu.debug.session import Session
from emu.errors import ConfigError, EmuError
from emu.hv.event import Event
from emu.hv.schedulers import RoundRobin

HOSTS = ["power7", "power8", "power9"]
SPIN = "_start: addi 14,14,1; b _start"
NAPPING = """
_start: cmpdi 3,0
        bne nap
spin:   addi 14,14,1
        b spin
nap:    mfmsr 8
        ori 8,8,0x8000
        mtmsrd 8,1
        li 3,0xe0
        sc 1
        addi 15,15,1
        b nap
"""
LISTENING = """
_start: mfmsr 8
        ori 8,8,0x8000
        mtmsrd 8,1
1:      addi 14,14,1
        b 1b
"""


def sharing(host, vcores=5, smt=1, source=SPIN):
    """More virtual cores than the one core of the host has room for."""
    made = machine(source, smt=smt, vcpu_ids=range(vcores * smt), host=host)
    debugged = Session(made, program_of(source))
    debugged.begin()
    return debugged


def running(debugged):
    """The first vcpu whose guest is on the core, not far into its time slice."""
    while not any(debugged.in_guest(vcpu) for vcpu in debugged.host.vcpus):
        debugged.steps()
    debugged.steps(20)
    return next(vcpu for vcpu in debugged.host.vcpus if debugged.in_guest(vcpu)
                and debugged.evaluate(f"{vcpu.name}.ic"))  # fmt: skip


@pytest.mark.parametrize(("host", "smt"), [("power7", 1), ("power7", 2), ("power8", 1),
                                           ("power8", 2), ("power9", 1)])  # fmt: skip
def test_a_preempted_vcpu_leaves_the_guest_at_once_and_another_virtual_core_has_its_cpu(host, smt):
    debugged = sharing(host, smt=smt)
    vcpu = running(debugged)
    others = [other for other in debugged.host.vcpus if other.vcore is not vcpu.vcore
              and other.pcpu is vcpu.pcpu]  # fmt: skip
    assert others
    assert debugged.evaluate(f"{vcpu.name}.ic") < 50
    before = states(debugged)
    injecting.preempt(debugged, vcpu)
    stayed = debugged.evaluate(f"{vcpu.name}.ic")
    debugged.break_at(debugged.evaluate("_start"))
    debugged.points[0].vcpu = others[0].index
    stop = debugged.cont()
    assert (stop.kind, stop.vcpu) == ("breakpoint", others[0].index)
    assert debugged.evaluate(f"{vcpu.name}.ic") == stayed
    assert debugged.host.counts(vcpu.index)[Event.EXIT_HDEC] == 1
    there = states(debugged)
    debugged.goto(before[0])
    assert states(debugged) == before
    debugged.goto(there[0])
    assert states(debugged) == there
    assert debugged.next_step().startswith(f"v{others[0].index} at ")


@pytest.mark.parametrize("host", HOSTS)
def test_without_anybody_else_a_preempted_vcpu_goes_on(host):
    debugged = session(SPIN, smt=1, host=host)
    vcpu = running(debugged)
    injecting.preempt(debugged, vcpu)
    debugged.steps(500)
    assert debugged.host.counts(0)[Event.EXIT_HDEC] == 1
    assert debugged.evaluate("v0.r14") > 50


@pytest.mark.parametrize("host", HOSTS)
def test_a_preempted_virtual_core_takes_its_napping_threads_with_it(host):
    debugged = session(NAPPING, smt=2, host=host)
    debugged.until(debugged.evaluate("spin"))
    debugged.steps(6000)
    assert debugged.evaluate("v1.ceded") == 1
    injecting.preempt(debugged, debugged.host.vcpus[0])
    turned = debugged.evaluate("v0.r14")
    debugged.steps(6000)
    assert debugged.host.counts(0)[Event.EXIT_HDEC] == 1
    assert debugged.evaluate("v0.r14") > turned + 100
    assert debugged.evaluate("v1.ceded") == 1


@pytest.mark.parametrize("host", HOSTS)
def test_who_is_on_no_cpu_cannot_be_preempted(host):
    debugged = sharing(host)
    vcpu = running(debugged)
    other = next(other for other in debugged.host.vcpus if other.vcore is not vcpu.vcore
                 and other.pcpu is vcpu.pcpu)  # fmt: skip
    with pytest.raises(ConfigError, match="that it could lose"):
        injecting.preempt(debugged, other)


@pytest.mark.parametrize("host", HOSTS)
def test_an_injected_interrupt_is_entered_and_undone(host):
    debugged = session(LISTENING, smt=1, host=host)
    vcpu = running(debugged)
    before = states(debugged)
    at = debugged.evaluate("nia")
    injecting.interrupt(debugged, vcpu, 0x500)
    assert (debugged.evaluate("nia"), debugged.evaluate("srr0")) == (0x500, at)
    debugged.stepi(3)
    assert debugged.evaluate("r18") == 1
    assert debugged.evaluate("nia & ~0xfff") == 0x10000
    debugged.goto(before[0])
    assert states(debugged) == before
    with pytest.raises(ConfigError, match="no code at vector 0x200"):
        injecting.interrupt(debugged, vcpu, 0x200)
    assert states(debugged) == before


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize("far", range(0, 300, 5))
def test_a_doorbell_by_hand_is_taken_once_wherever_the_vcpu_is(host, far):
    """Entering and leaving move doorbells from word to word: none may be lost on the way."""
    source = LISTENING.replace("addi 14,14,1", "addi 14,14,1; li 3,0x4c; sc 1")  # with exits
    debugged = session(source, smt=2, host=host, scheduler=RoundRobin(20))
    debugged.steps(200 + far)
    vcpu = debugged.host.vcpus[1]
    injecting.doorbell(debugged, vcpu)
    assert debugged.evaluate("v1.dpdes") == 2
    debugged.steps(2000)
    assert debugged.evaluate("v1.r17") == 1
    assert debugged.evaluate("v0.r17") == 0
    assert debugged.evaluate("v0.dpdes") == 0


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_doorbell_by_hand_wakes_a_ceded_vcpu(host):
    debugged = session(NAPPING, smt=2, host=host)
    debugged.steps(6000)
    assert debugged.evaluate("v1.ceded") == 1
    injecting.doorbell(debugged, debugged.host.vcpus[1])
    debugged.steps(6000)
    assert (debugged.evaluate("v1.r17"), debugged.evaluate("v1.r15")) == (1, 1)


def test_a_host_without_doorbells_refuses_one():
    debugged = session(SPIN, smt=2, host="power7")
    debugged.begin()
    with pytest.raises(ConfigError, match="a power7 host has no doorbells"):
        injecting.doorbell(debugged, debugged.host.vcpus[1])
    with pytest.raises(ConfigError, match="a power7 host has no doorbells"):
        set_register(debugged, debugged.host.vcpus[1], "dpdes", 0)
    assert debugged.evaluate("dpdes") == 0


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_dpdes_set_by_hand_reads_back_and_is_taken(host):
    debugged = session(LISTENING, smt=2, host=host)
    debugged.steps(300)
    for value in (3, 0, 2, 1):
        set_register(debugged, debugged.host.vcpus[0], "dpdes", value)
        assert debugged.evaluate("v0.dpdes") == debugged.evaluate("v1.dpdes") == value
    debugged.steps(2000)
    assert (debugged.evaluate("v0.r17"), debugged.evaluate("v1.r17")) == (1, 0)
    with pytest.raises(ConfigError, match="the threads of this virtual core are 0x3 in DPDES"):
        set_register(debugged, debugged.host.vcpus[0], "dpdes", 4)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("name", "value"), [("r5", 1 << 63), ("nia", 0x10004), ("cr", 7 << 28),
                         ("cr1", 9), ("xer", 1 << 29), ("lr", 4), ("ctr", 5), ("srr0", 0x100),
                         ("sprg3", 8), ("msr.ee", 1), ("dec", 1000), ("v1.r3", 6),
                         ("prodded", 1), ("vcore0.awake", 1)])  # fmt: skip
def test_registers_and_fields_that_are_set_read_back_and_are_undone(host, name, value):
    debugged = session(SPIN, smt=2, host=host)
    debugged.steps(300)
    before = states(debugged)
    set_register(debugged, debugged.vcpu, name, value)
    assert debugged.evaluate(name) == value
    debugged.goto(before[0])
    assert states(debugged) == before


@pytest.mark.parametrize("seed", range(9))
def test_runs_with_all_of_it_are_replayed_exactly(seed):
    source = random.Random(seed)
    host = HOSTS[seed % 3]
    debugged = session(random_guest(source), smt=2, host=host)
    debugged.begin()
    passed, refused = [], 0
    for _ in range(12):
        debugged.steps(source.randrange(1, 200))
        vcpu = source.choice(debugged.host.vcpus)
        with_it = source.choice([
            lambda v: injecting.doorbell(debugged, v),
            lambda v: injecting.preempt(debugged, v),
            lambda v: injecting.interrupt(debugged, v, 0x500),
            lambda v: set_register(debugged, v, "r13", source.randrange(9)),
        ])  # fmt: skip
        try:
            with_it(vcpu)
        except EmuError:
            refused += 1
        passed.append(states(debugged))
    assert refused < len(passed)
    for position, digest in reversed(passed):
        debugged.goto(position)
        assert debugged.timeline.digest() == digest


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_deadlock_is_undone_by_a_doorbell_and_comes_again_without_it(host):
    debugged = session(NAPPING.replace("bne nap", "nop; b nap"), smt=2, host=host)
    stop = debugged.cont()
    assert (stop.kind, stop.text.splitlines()[0]) == ("end", "deadlock: no vcpu can ever run again")
    before = states(debugged)
    injecting.doorbell(debugged, debugged.host.vcpus[1])
    assert debugged.cont().kind == "end"
    assert debugged.evaluate("v1.r17") == 1
    after = states(debugged)
    debugged.goto(before[0])
    assert states(debugged) == before
    debugged.goto(after[0])
    assert states(debugged) == after
