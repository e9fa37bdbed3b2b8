"""What was driven by hand is a schedule that `emu run` follows."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hv.machine import RING, machine

from debug.test_session import program_of, random_guest
from emu.debug.commands import Interpreter
from emu.debug.registers import set_register
from emu.debug.session import Session
from emu.debug.timeline import Timeline
from emu.debug.turns import slice_ref, turns_so_far
from emu.errors import EmuError, ReplayError
from emu.hv.schedulers import Pct, Random, Replay, RoundRobin

ROOT = Path(__file__).parents[2]
SCHEDULERS = [RoundRobin(1), RoundRobin(7), RoundRobin(1000), Random(20), Pct(3)]


def architectural(line):
    """All of the state but whose turn it is, for how long."""
    words = line.host.words.tolist()
    for actor in range(len(line.host.actors)):
        words[slice_ref(line, actor)] = words[slice_ref(line, actor) + 1] = 0
    refs = line.host.machine_refs
    words[refs.sched_last] = words[line.machine.ref("machine", 0, "sched_rng")] = 0
    return words, bytes(line.machine.memory(0))


def driven(source, host, smt, scheduler):
    text = random_guest(source)
    session = Session(machine(text, smt=smt, host=host), program_of(text), scheduler)
    session.begin()
    for _ in range(source.randrange(5, 30)):
        able = [actor for actor in range(len(session.host.actors))
                if session.timeline.can_go(actor)]  # fmt: skip
        match source.randrange(3):
            case 0 if able:
                session.run_alone(source.choice(able), source.randrange(1, 60))
            case 1 if able:
                session.give_turn(source.choice(able))
            case _:
                session.steps(source.randrange(1, 80))
        if session.timeline.is_over():
            break
    return text, session


@pytest.mark.parametrize("seed", range(30))
def test_the_turns_of_a_driven_run_lead_to_the_same_state(seed):
    source = random.Random(seed)
    host, smt = source.choice(["power7", "power8", "power9"]), source.choice([1, 2, 4])
    text, session = driven(source, host, smt, source.choice(SCHEDULERS))
    line = session.timeline
    here, expected, digest = line.position, architectural(line), line.digest()
    turns = turns_so_far(line)
    assert (line.position, line.digest()) == (here, digest)

    again = Timeline(machine(text, smt=smt, host=host))
    again.follow(turns)
    assert architectural(again) == expected
    if not session.at_end:
        assert turns_so_far(again) == turns
        instructions = session.host.instructions
        plain = machine(text, smt=smt, host=host)
        plain.run(Replay(tuple(turns)), max_insns=max(instructions, 1))
        registers = [[plain.words[vcpu.gpr(i)] for i in range(32)] for vcpu in plain.vcpus]
        wanted = [[session.host.words[vcpu.gpr(i)] for i in range(32)]
                  for vcpu in session.host.vcpus]  # fmt: skip
        assert not instructions or registers == wanted


def test_going_back_in_a_followed_schedule_and_on_again_is_exact():
    source = random.Random(3)
    text, session = driven(source, "power9", 2, RoundRobin(7))
    line = Timeline(machine(text, smt=2))
    line.follow(turns_so_far(session.timeline))
    here, digest = line.position, line.digest()
    line.goto(here // 3)
    line.forward(here)
    assert line.digest() == digest
    line.goto(0)
    line.goto(here)
    assert line.digest() == digest


def test_only_turns_are_a_schedule():
    session = Session(machine(RING, smt=2), program_of(RING))
    session.begin()
    set_register(session, session.vcpu, "r9", 5)
    with pytest.raises(ReplayError, match=r"not what was done by hand at @\d+: r9 = 0x5"):
        turns_so_far(session.timeline)


def test_an_actor_that_cannot_go_is_named_when_a_schedule_is_loaded(tmp_path):
    prompt = Interpreter(Session(machine(RING, smt=2), program_of(RING)), print)
    file = tmp_path / "schedule"
    file.write_text("emu schedule 1\nv1 1000\nv1 5 steps\n")
    with pytest.raises(EmuError, match="turn 2 names an actor that cannot run, got v1"):
        prompt.execute(f"load {file}")
    file.write_text("emu schedule 1\nv7 5\n")
    with pytest.raises(EmuError, match="this machine has no actor 'v7'"):
        prompt.execute(f"load {file}")


def emu(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "emu", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
    )  # fmt: skip


GUEST = """
_start: ld 5,0x3000(0)
        addi 5,5,1
        std 5,0x3000(0)
        cmpdi 3,0
        bne done
wait:   ld 6,0x3008(0)
        cmpdi 6,0
        beq wait
        ld 4,0x3000(0)
        cmpdi 4,2
        li 4,0
        beq out
        li 4,1
out:    lis 3,0
        ori 3,3,0xf100
        sc 1
done:   li 6,1
        std 6,0x3008(0)
        li 3,0xe0
        sc 1
        b done
"""


def test_a_race_driven_by_hand_is_saved_and_comes_again_in_a_plain_run(tmp_path):
    guest, schedule = tmp_path / "lost_update.s", tmp_path / "lost.schedule"
    guest.write_text(GUEST)
    assert emu("run", guest, "--vcpus", 2).returncode == 0
    done = emu("debug", guest, "--vcpus", 2, "--batch", "--ex", "si 2", "--ex", "run v1 30",
               "--ex", "p r5", "--ex", "switch v0", "--ex", "si 2", "--ex", "p *0x3000",
               "--ex", f"save schedule {schedule}", "--ex", f"load {schedule}",
               "--ex", "p *0x3000")  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("= 0x1\n") == 3
    assert "v1 30 steps" in schedule.read_text()
    assert emu("run", guest, "--vcpus", 2, "--schedule", schedule).returncode == 1
    again = emu("debug", guest, "--vcpus", 2, "--schedule", schedule, "--batch", "--ex", "c")
    assert "the guest exited with status 1" in again.stdout
