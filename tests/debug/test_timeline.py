"""Every position of a run is one state, however it is reached."""

import random

import pytest
from hv.machine import RING, machine

from emu.core.engine import StepKind
from emu.core.watching import StoppedBy, Watched, Watching
from emu.debug.history import Patch
from emu.debug.timeline import Timeline
from emu.errors import ReplayError
from emu.hv.schedulers import Random, RoundRobin

TICKING = """
_start: lis 9,1
        mtctr 9
        li 9,40
        mtspr 22,9
        mfmsr 8
        ori 8,8,0x8000
        mtmsrd 8,1
1:      addi 10,10,1
        std 10,0x3000(0)
        bdnz 1b
        li 4,0
        exit!
"""


def anything(_halt):
    return True


def states_one_by_one(timeline, count):
    digests = [timeline.digest()]
    for position in range(1, count + 1):
        assert timeline.forward(position).kind == "limit"
        digests.append(timeline.digest())
    return digests


@pytest.mark.parametrize("schedule", [RoundRobin(7), RoundRobin(1), Random(20)])
@pytest.mark.parametrize(("host", "smt"), [("power9", 2), ("power9", 4)])
def test_stepping_running_and_going_back_meet_in_equal_states(host, smt, schedule):
    digests = states_one_by_one(Timeline(machine(RING, smt=smt, host=host), schedule), 500)
    timeline = Timeline(machine(RING, smt=smt, host=host), schedule)
    source = random.Random(7)
    assert timeline.forward(500).kind == "limit"
    assert timeline.digest() == digests[500]
    for _ in range(80):
        position = source.randrange(500)
        timeline.goto(position)
        assert timeline.digest() == digests[position]
        further = source.randrange(position, 500)
        timeline.forward(further)
        assert timeline.digest() == digests[further]


def test_an_interrupt_is_a_step_of_its_own():
    timeline = Timeline(machine(TICKING))
    digests = states_one_by_one(timeline, 400)
    timeline.goto(0)
    watching = Watching(vectors=[0x900])
    halt = timeline.forward(watching=watching)
    assert (halt.by, halt.which) == (StoppedBy.VECTOR, 0x900)
    vcpu = timeline.host.vcpus[0]
    assert timeline.host.words[vcpu.arch.nia] == 0x900
    position = timeline.position
    assert timeline.digest() == digests[position]
    timeline.goto(position - 1)
    assert timeline.host.words[vcpu.arch.nia] >= 0x10000
    timeline.forward(400)
    assert timeline.digest() == digests[400]


def test_going_over_a_breakpoint_leaves_no_trace():
    timeline = Timeline(machine(TICKING))
    digests = states_one_by_one(timeline, 200)
    timeline.goto(0)
    timeline.machine.breakpoint(0, 0x10000 + 7 * 4, True)
    met = []
    while timeline.forward(200).kind == "breakpoint":
        met.append(timeline.position)
        assert timeline.digest() == digests[timeline.position]
    assert len(met) > 20
    assert timeline.digest() == digests[200]
    for position in met:
        timeline.goto(position)
        assert timeline.digest() == digests[position]
    assert timeline.last(met[9], None, anything) == met[8]
    assert timeline.last(met[0], None, anything) is None


def test_a_watch_stops_after_the_step_that_changes_the_value_and_the_last_change_is_found():
    timeline = Timeline(machine(TICKING))
    watching = Watching(watched=[Watched(0, 0x3000)])
    positions = []
    for _ in range(5):
        assert timeline.forward(watching=watching).by is StoppedBy.WATCH
        positions.append(timeline.position)
    assert timeline.machine.read(0, 0x3000, 8) == bytes(7) + b"\5"
    assert timeline.last(positions[4], watching, anything) == positions[3]
    assert timeline.last(positions[0], watching, anything) is None


def test_an_edit_is_a_step_that_is_undone_and_done_again():
    timeline = Timeline(machine(TICKING))
    timeline.forward(100)
    before = timeline.digest()
    arch = timeline.host.vcpus[0].arch
    timeline.edit("r10 = 0", {arch.gpr + 10: 0}, [Patch(0, 0x4000, b"new")])
    after = timeline.digest()
    timeline.forward(300)
    later = timeline.digest()
    timeline.goto(100)
    assert timeline.digest() == before
    assert timeline.machine.read(0, 0x4000, 3) == bytes(3)
    timeline.goto(101)
    assert timeline.digest() == after
    timeline.goto(50)
    timeline.forward(300)
    assert timeline.digest() == later


def test_an_edit_in_the_past_ends_the_recorded_future():
    timeline = Timeline(machine(TICKING))
    timeline.forward(300)
    timeline.goto(100)
    timeline.edit("nothing", {})
    assert timeline.frontier == 101
    with pytest.raises(ReplayError, match="a position must be 0 to 101, got 300"):
        timeline.goto(300)


def test_memory_for_history_is_bounded_and_everything_stays_reachable():
    timeline = Timeline(machine(TICKING.replace("lis 9,1", "lis 9,800")), most_bytes=1 << 20)
    timeline.forward(30_000_000)
    assert timeline.snapshot_bytes <= 1 << 20
    here = timeline.digest()
    timeline.goto(29_000_000)
    timeline.goto(12_345_678)
    timeline.forward(30_000_000)
    assert timeline.digest() == here


def test_the_end_is_found_again():
    timeline = Timeline(machine(RING, smt=2))
    assert timeline.forward().kind == "end"
    end = timeline.end
    assert end.outcome.kind == "exit"
    here = timeline.digest()
    timeline.goto(end.position - 100)
    assert timeline.forward().kind == "end"
    assert timeline.position == end.position
    assert timeline.digest() == here
    with pytest.raises(ReplayError, match="the run is over here"):
        timeline.edit("late", {})


def test_a_host_step_can_be_stopped_after():
    timeline = Timeline(machine(RING, smt=2))
    halt = timeline.forward(watching=Watching(kinds=[StepKind.HOST], owner=1))
    assert halt.by is StoppedBy.KIND
    assert halt.actor == 1


def test_an_instruction_can_be_stopped_in_front_of():
    timeline = Timeline(machine(RING, smt=2))
    msgsndp = Watching(words=[(0xFC0007FE, 0x7C00011C)])
    seen = []
    while timeline.forward(watching=msgsndp).kind == "watching" and len(seen) < 6:
        vcpu = timeline.host.vcpus[timeline.host.engine.turn(timeline.machine)]
        word = timeline.machine.read(0, timeline.host.words[vcpu.arch.nia], 4)
        assert word.hex() == "7c00291c"
        seen.append(timeline.position)
    assert timeline.last(seen[4], msgsndp, anything) == seen[3]


def test_a_breakpoint_set_and_removed_changes_no_count():
    """Records before it lose their sequences, and one on mtctr is passed by its own way."""
    source = "_start: li 9,40; mtctr 9; li 20,200; mtspr 22,20; b ."
    for place in range(5):
        timeline = Timeline(machine(source))
        digests = states_one_by_one(timeline, 60)
        timeline.goto(0)
        timeline.machine.breakpoint(0, 0x10000 + 4 * place, True)
        while timeline.forward(60).kind == "breakpoint":
            assert timeline.digest() == digests[timeline.position]
        assert timeline.digest() == digests[60]
        timeline.machine.breakpoint(0, 0x10000 + 4 * place, False)
        for position in range(61):
            timeline.goto(0)
            timeline.forward(position)
            assert timeline.digest() == digests[position], (place, position)
