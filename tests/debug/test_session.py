"""What stops a session, and that going back undoes going forth."""

import random
import struct

import pytest
from hv.machine import RING, VECTORS, machine

from emu.asm import assemble
from emu.debug.expression import parse
from emu.debug.session import Session
from emu.debug.stops import Catchpoint
from emu.errors import ConfigError, EmuError
from emu.hv.host import Host
from emu.hv.schedulers import Random, RoundRobin

CALLS = """
_start: li 3,1
        bl double
        bl double
after:  mr 20,3
        li 4,0
        exit!
double: add 3,3,3
inner:  blr
"""


def session(source=RING, *, smt=2, host="power9", scheduler=None):
    made = machine(source, smt=smt, host=host)
    return Session(made, program_of(source), scheduler)


def program_of(source):
    return assemble(VECTORS + source.replace("exit!", "li 3,0; ori 3,3,0xf100; sc 1"))


def random_guest(source):
    """Threads that ring, clear, cede, store and read DPDES at random, and take their doorbells."""
    lines = ["_start: mfmsr 8", "ori 8,8,0x8000", "lis 5,0x2800", "li 9,60", "mtctr 9", "again:"]
    for number in range(source.randrange(6, 20)):
        lines += source.choice(
            [
                [f"ori 6,5,{source.randrange(4)}", "msgsndp 6"],
                ["msgclrp 5"],
                ["mtmsrd 8,1"],
                ["li 7,0", "mtmsrd 7,1"],
                [f"std 9,{0x3000 + 8 * source.randrange(4)}(0)"],
                [f"ldarx 10,0,8; addi 10,10,1; stdcx. 10,0,8; b label{number}; label{number}:"],
                ["mfspr 11,176"],
                ["mfspr 12,446"],
                ["addi 13,13,1", "cmpdi 13,3", f"bne over{number}", "mr 13,9", f"over{number}:"],
                ["li 3,0xe0", "cmpdi 17,1", f"blt skip{number}", "sc 1", f"skip{number}:"],
            ]
        )
    return "\n".join([*lines, "bdnz again", "li 4,0", "exit!"])


def states(debugged):
    return debugged.position, debugged.timeline.digest()


@pytest.mark.parametrize("seed", range(12))
def test_every_way_back_is_the_inverse_of_its_way_forth(seed):
    source = random.Random(seed)
    smt = source.choice([1, 2, 4])
    scheduler = source.choice([RoundRobin(source.choice([1, 5, 50])), Random(30)])
    host = source.choice(["power7", "power8", "power9"])
    debugged = session(random_guest(source), smt=smt, scheduler=scheduler, host=host)
    debugged.begin()
    debugged.steps(source.randrange(1500))
    for _ in range(6):
        debugged.select(source.randrange(smt))
        forth, back = source.choice(
            [
                (debugged.stepi, debugged.reverse_stepi),
                (debugged.hstep, debugged.reverse_hstep),
                (debugged.steps, debugged.reverse_steps),
            ]
        )
        forth()
        passed = [states(debugged)]
        for _ in range(source.randrange(2, 25)):
            if forth().kind != "step":
                break
            passed.append(states(debugged))
        debugged.goto(passed[-1][0])
        for expected in passed[-2::-1]:
            assert back().kind == "step"
            assert states(debugged) == expected
        for expected in passed[1:]:
            forth()
            assert states(debugged) == expected


def test_watchpoints_and_breakpoints_stop_at_the_same_places_in_both_directions():
    debugged = session(smt=2)
    debugged.begin()
    debugged.break_at(debugged.evaluate("got"))
    debugged.watch("v1.doorbell_request")
    debugged.catch(Catchpoint(0, "interrupt 0xa00", kind="interrupt", numbers=(0xA00,)))
    forth = []
    for _ in range(25):
        stop = debugged.cont()
        forth.append((debugged.position, stop.kind))
    assert {kind for _, kind in forth} == {"breakpoint", "watch", "catch"}
    for expected in forth[-2::-1]:
        stop = debugged.reverse_cont()
        assert (debugged.position, stop.kind) == expected
    assert debugged.reverse_cont().kind == "begin"
    assert debugged.position == 0


def test_a_watch_tells_both_values_and_last_tells_who_did_it():
    debugged = session(smt=2)
    debugged.watch("v1.dpdes")
    stop = debugged.cont()
    assert stop.text == "watchpoint 1: v1.dpdes 0x0 -> 0x2"
    position, text = debugged.last_change("v1.doorbell_request")
    assert position == debugged.position
    assert text == "v1.doorbell_request 0x0 -> 0x1: v0 in _msgsndp: Write(v1.doorbell_request, 1)"
    assert debugged.last_change("v0.r30") is None


def test_a_condition_decides_and_hits_are_counted_and_ignored():
    debugged = session(smt=2)
    point = debugged.break_at(debugged.evaluate("send"))
    point.condition = parse("r22 >= 3")
    point.vcpu = 0
    debugged.cont()
    assert debugged.evaluate("v0.r22") == 3
    point.ignore = 2
    debugged.cont()
    assert debugged.evaluate("v0.r22") == 6


def test_next_steps_over_a_call_and_back_over_it():
    debugged = session(CALLS, smt=1)
    debugged.begin()
    debugged.stepi()
    before = states(debugged)
    debugged.nexti()
    assert debugged.evaluate("nia - _start") == 8
    assert debugged.evaluate("r3") == 2
    debugged.reverse_nexti()
    assert states(debugged) == before


def test_finish_returns_and_reverse_finish_goes_to_the_call():
    debugged = session(CALLS, smt=1)
    debugged.until(debugged.evaluate("inner"))
    assert debugged.evaluate("nia == inner")
    debugged.finish()
    assert debugged.evaluate("nia - _start") == 8
    debugged.until(debugged.evaluate("inner"))
    debugged.reverse_finish()
    assert debugged.evaluate("nia - _start") == 8


def test_an_instruction_and_an_hcall_can_be_caught():
    debugged = session(smt=2)
    debugged.catch(Catchpoint(0, "msgsndp", kind="instruction", words=((0xFC0007FE, 0x7C00011C),)))
    stop = debugged.cont()
    assert (stop.kind, stop.text) == ("catch", "catchpoint 1, msgsndp")
    assert debugged.disassembled(debugged.vcpu).split() == ["msgsndp", "r5"]
    debugged.delete(1)
    debugged.catch(Catchpoint(0, "hcall H_CEDE", kind="hcall", numbers=(0xE0,)))
    assert debugged.cont().text == "catchpoint 2, hcall H_CEDE 0xe0"
    assert debugged.evaluate("r3") == 0xE0
    debugged.delete(2)
    debugged.catch(Catchpoint(0, "hcall", kind="hcall"))
    while (stop := debugged.cont()).text == "catchpoint 3, hcall H_CEDE 0xe0":
        pass
    assert stop.text == "catchpoint 3, hcall H_EXIT 0xf100"
    debugged.goto(0)
    assert debugged.cont().text == "catchpoint 3, hcall H_CEDE 0xe0"


def test_a_turn_given_by_hand_is_replayed_and_undone():
    debugged = session(smt=2)
    debugged.begin()
    debugged.run_alone(1, 40)
    state = states(debugged)
    assert debugged.evaluate("v1.ic") > 0
    debugged.cont()
    debugged.goto(state[0])
    assert states(debugged) == state
    debugged.goto(0)
    assert debugged.evaluate("v1.ic") == 0
    with pytest.raises(ConfigError, match="an actor must be 0 to 5, got 7"):
        debugged.give_turn(7)


def test_only_the_locked_thread_moves():
    debugged = session(smt=2)
    debugged.begin()
    debugged.locked = True
    debugged.select(1)
    for _ in range(6):
        assert debugged.stepi().kind == "step"
    assert debugged.evaluate("v0.ic") == 0
    assert debugged.evaluate("v1.ic") == 5
    stop = debugged.stepi(100)  # it cedes, and nobody else may wake it
    assert stop.kind == "waits"


def test_the_end_and_the_beginning_are_said():
    debugged = session(smt=2)
    stop = debugged.cont()
    assert (stop.kind, stop.text) == ("end", "the guest exited with status 0")
    assert debugged.cont().kind == "end"
    assert debugged.stepi().kind == "end"
    assert debugged.reverse_stepi().kind == "step"
    stop = debugged.reverse_steps(1 << 40)
    assert (stop.kind, stop.text) == ("begin", "the beginning of history")
    assert debugged.reverse_stepi().kind == "begin"


def test_memory_written_by_hand_is_in_the_guests_byte_order():
    debugged = session(CALLS, smt=1)
    debugged.begin()
    debugged.store(0x3000, 0x12345678, 4)
    assert debugged.read(0x3000, 4) == struct.pack(">I", 0x12345678)
    assert debugged.evaluate("u32(0x3000)") == 0x12345678
    with pytest.raises(EmuError):
        debugged.write(1 << 30, b"x")


def test_ctrl_c_stops_in_both_directions_and_loses_nothing():
    debugged = session("_start: b .", smt=1)
    polls = []

    def interrupt():
        polls.append(1)
        return len(polls) > 60

    debugged.interrupt = interrupt
    assert debugged.cont().kind == "interrupted"
    here = states(debugged)
    del polls[50:]
    debugged.watch("*0x4000")
    assert debugged.reverse_cont().kind == "interrupted"
    assert states(debugged) == here


def test_a_host_step_shows_its_operation():
    debugged = session(smt=2)
    debugged.begin()
    debugged.catch(Catchpoint(0, "any host step", kind="step"))
    assert debugged.cont().kind == "catch"
    assert debugged.next_step() == "v0 in kvmhv_vcpu_entry_p9: Write(cpu0.lpid, 0)"
    debugged.hstep()
    assert debugged.next_step() == "v0 in kvmhv_run_single_vcpu: Write(v0.cpu, 0)"


def test_a_guest_on_little_endian_can_be_stepped():
    program = assemble("_start: li 3,5; b .", endian="little")
    host = Host()
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    vm.load(program)
    debugged = Session(host, program)
    debugged.begin()
    debugged.stepi()
    assert debugged.evaluate("r3") == 5
    assert debugged.evaluate("u32(_start)") == 0x38600005


def test_an_operation_of_the_hypervisor_is_stopped_in_front_of_in_both_directions():
    debugged = session(smt=2)
    debugged.begin()
    debugged.catch(Catchpoint(0, "look", kind="step", operation="Read(v1.doorbell_request)"))
    passed = []
    for _ in range(6):
        assert debugged.cont().kind == "catch"
        assert "Read(v1.doorbell_request)" in debugged.next_step()
        passed.append(states(debugged))
    for expected in passed[-2::-1]:
        debugged.reverse_cont()
        assert states(debugged) == expected


def test_a_locked_vcpu_stops_for_a_host_step_too():
    debugged = session(smt=2)
    debugged.begin()
    debugged.select(1)
    debugged.locked = True
    debugged.catch(Catchpoint(0, "look", kind="step", operation="Read(v1.doorbell_request)"))
    assert debugged.cont().kind == "catch"
    assert debugged.vcpu.name == "v1"
    debugged.points.clear()
    debugged.catch(Catchpoint(0, "step", kind="step"))
    before = debugged.position
    assert debugged.cont().kind == "catch"
    assert debugged.position == before + 1


def test_who_was_given_the_turn_does_not_keep_it_for_ever():
    spin = "_start: cmpdi 3,0; beq 1f; li 4,0; exit!; 1: b 1b"
    debugged = session(spin, smt=2)
    debugged.begin()
    debugged.run_alone(0, 5)
    assert debugged.cont().text == "the guest exited with status 0"


def test_looking_back_records_nothing_beyond_here():
    debugged = session(smt=2)
    debugged.steps(500)
    debugged.last_change("v0.r14")
    debugged.goto(499)
    debugged.goto(500)
    assert debugged.timeline.frontier == 500
