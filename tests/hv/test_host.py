"""Whole machines: replay first, then what a run reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from emu.asm import assemble
from emu.core._emu import lib
from emu.core.engine import STRUCTS, Turn, fields
from emu.core.machine import Exit
from emu.errors import ConfigError, ImageError, ReplayError
from emu.hv import ops
from emu.hv.event import BY_NUMBER, Event
from emu.hv.host import Host
from emu.hv.schedulers import Pct, Random, Replay, RoundRobin, parse_scheduler
from hv.machine import H_EXIT, RING, VECTORS, machine

TESTS = Path(__file__).parents[1]

DIGEST = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from hv.machine import RING, machine
from emu.hv.schedulers import Pct, Random, RoundRobin
host = machine(RING, smt=4, seed=7)
host.engine.keep_events(1 << 16)
scheduler = {"rr": RoundRobin(13), "random": Random(50), "pct": Pct(40)}[sys.argv[2]]
outcome = host.run(scheduler)
words = host.words[: host.machine.area("actor")].tobytes()
print(outcome, hashlib.sha256(words + repr(host.events()).encode()).hexdigest())
"""


@pytest.mark.parametrize("scheduler", ["rr", "random", "pct"])
def test_two_processes_agree_on_every_register_and_on_the_order_of_events(scheduler):
    outputs = {
        subprocess.run(
            [sys.executable, "-c", DIGEST, str(TESTS), scheduler],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "kind='exit'" in outputs.pop()


def state(host):
    """All words but the engine's node numbers, which depend on the order of learning."""
    return host.words[: host.machine.area("actor")].tobytes()


@pytest.mark.parametrize("scheduler", [RoundRobin(7), Random(30), Pct(100)])
def test_a_recorded_run_replays_to_the_same_end(scheduler):
    first = machine(RING, smt=4, seed=3)
    first.engine.record(True)
    outcome = first.run(scheduler)
    second = machine(RING, smt=4, seed=3)
    again = second.run(Replay(tuple(first.schedule())))
    assert again == outcome
    # What only tells of the scheduler itself may differ.
    second.words[second.machine.ref("machine", 0, "sched_rng")] = first.machine.state.sched_rng
    assert state(first) == state(second)


SPINNERS = """
_start: b .
"""


def test_pct_runs_one_vcpu_until_a_change_point_and_then_the_one_below_it():
    orders = set()
    for seed in range(8):
        host = machine(SPINNERS, smt=4, seed=seed)
        host.engine.record(True)
        host.run(Pct(101), max_insns=4_000)
        turns = [turn.actor for turn in host.schedule() if turn.slice]
        orders.add(tuple(turns[:4]))
        assert all(turn.slice <= 200 for turn in host.schedule())
        # Who falls comes again when all the others have fallen too: the order is kept for ever.
        assert turns[4:] == turns[:-4]
        assert sorted(turns[:4]) == [0, 1, 2, 3]
    assert len(orders) > 3


def test_pausing_does_not_change_a_run():
    whole = machine(RING, smt=4)
    whole.run(RoundRobin(100))
    pieces = machine(RING, smt=4)
    outcome = pieces.run(RoundRobin(100), max_insns=1)
    while outcome.kind == "limit":
        outcome = pieces.run(RoundRobin(100), max_insns=17)
    assert state(whole) == state(pieces)


def test_different_seeds_make_different_random_runs():
    ends = set()
    for seed in range(4):
        host = machine(RING, smt=4, seed=seed)
        host.run(Random(50))
        ends.add(state(host))
    assert len(ends) == 4


def test_a_schedule_that_does_not_fit_is_refused():
    host = machine("_start: li 3,0xe0\n sc 1\n b _start\n")
    with pytest.raises(ReplayError, match="names an actor that cannot run, got actor 9"):
        host.run(Replay((Turn(9, 1),)))


def test_a_machine_made_new_runs_another_guest_without_learning_again():
    fresh = machine(RING, smt=4)
    outcome = fresh.run(RoundRobin(13))
    used = machine("_start: li 6,7\n std 6,0(1)\n li 4,2\n exit!\n", smt=4)
    used.run(Random(3))
    for learns in (True, False):
        used.reset()
        assert not any(used.machine.memory(0))
        used.vms[0].load(assemble(VECTORS + RING.replace("exit!", H_EXIT)))
        before = used.automaton.evaluations
        assert used.run(RoundRobin(13)) == outcome
        assert state(used) == state(fresh)
        assert (used.automaton.evaluations > before) is learns


# ---- outcomes


def test_h_exit_stops_the_machine_with_its_status():
    outcome = machine("_start: li 4,3\n exit!\n").run()
    assert (outcome.kind, outcome.status, outcome.instructions) == ("exit", 3, 4)


def test_a_limit_counts_the_instructions_of_all_vcpus():
    host = machine("_start: b _start\n", smt=2)
    assert host.run(max_insns=1234).instructions == 1234
    assert sum(host.words[v.arch.gpr] for v in host.vcpus) == 0


def test_a_guest_that_cedes_with_nothing_armed_is_a_deadlock_with_the_reason():
    outcome = machine("_start: li 3,0xe0\n sc 1\n b _start\n", smt=2).run()
    assert outcome.kind == "deadlock"
    assert outcome.explanation.splitlines() == [
        f"{name} is ceded (H_CEDE) at 0x10008, MSR[EE] = 1: no doorbell, external interrupt or "
        "prod is pending, its decrementer was never set"
        for name in ("v0", "v1")
    ]


def test_a_guest_with_a_decrementer_wakes_as_soon_as_time_can_jump():
    host = machine("""
_start: lis 5,0x1000
        mtspr 22,5
        li 3,0xe0
        sc 1
        mr 4,16
        exit!
""")
    outcome = host.run()
    assert (outcome.kind, outcome.status) == ("exit", 1)
    assert outcome.instructions < 30
    assert host.machine.state.tb >= 0x10000000


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
@pytest.mark.parametrize("busy", [False, True], ids=["all-ceded", "sibling-computes"])
@pytest.mark.parametrize("dec", [0x8001, 0xFFFF])
def test_a_decrementer_that_expired_before_timebase_0_ends_the_cede_at_once(host, busy, dec):
    """The second vcpu, which is a sibling on POWER7 and POWER8, computes or cedes for good."""
    made = machine(
        f"""
_start: cmpdi 3,0
        bne 2f
        lis 5,{dec:#x}
        mtspr 22,5
1:      li 3,0xe0
        sc 1
        cmpdi 16,0
        beq 1b
        li 4,0
        exit!
2:      {"b ." if busy else "li 3,0xe0; sc 1; b 2b"}
""",
        smt=2,
        host=host,
    )
    assert made.run(max_insns=10_000).kind == "exit"
    assert made.machine.state.tb < 10_000


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_a_decrementer_that_wrapped_to_positive_is_slept_for(host):
    text = """
_start: lis 5,0x8000                    # the least number, and then the largest
        mtspr 22,5
        nop
1:      li 3,0xe0
        sc 1
        cmpdi 16,0
        beq 1b
        li 4,0
        exit!
"""
    made = machine(text, host=host)
    assert made.run(max_insns=10_000).kind == "exit"
    assert made.machine.state.tb >= 1 << 31


def test_an_interrupt_without_a_handler_is_a_trap():
    outcome = machine("_start: .long 0\n", vectors=False).run()
    assert outcome.kind == "trap"
    assert "v0 took interrupt 0x700 at 0x10000" in outcome.explanation


def test_running_into_the_end_address_is_an_exit_with_status_0():
    host = machine("_start: li 3,7\n")
    host.vms[0].end_at(0x10004)
    assert host.run().kind == "exit"
    assert host.words[host.vcpus[0].gpr(3)] == 7


def test_an_illegal_instruction_is_a_program_interrupt_to_the_guest():
    host = machine("_start: .long 0\n li 4,0\n exit!\n")
    assert host.run().kind == "exit"
    assert host.words[host.vcpus[0].gpr(19)] & 0x80000


# ---- the start of a guest


def test_a_bare_guest_starts_as_documented():
    host = machine("_start: b _start\n", smt=4, vcpu_ids=(0, 1, 3))
    for i, vcpu in enumerate(host.vcpus):
        window = host.machine.vcpu[i]
        assert window.nia == 0x10000
        assert window.msr == 1 << 63 | 1 << 12
        assert list(window.gpr) == [0, (1 << 20) - i * 0x10000, 0, vcpu.vcpu_id, 3] + [0] * 27


def test_a_program_outside_memory_is_refused():
    with pytest.raises(ImageError, match="must lie within the 0x100000 bytes of guest memory"):
        machine(".org 0x200000\n nop\n", vectors=False)


# ---- asking for what cannot be


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Host("power6"), "host must be .*, got power6"),
        (lambda: Host(cores=0), "cores must be 1 to 256, got 0"),
        (lambda: Host().create_vm(smt=3), "smt must be one of 1, 2, 4, 8 on power9, got 3"),
        (lambda: Host().create_vm(memory=5000), "memory must be 4K to 4G .*, got 0x1388"),
        (lambda: Host().run(), "at least one vcpu"),
        (lambda: RoundRobin(0), "a slice must be at least 1 instruction, got 0"),
        (lambda: parse_scheduler("pct:1"), "the depth of pct must be 2 to 10000, got 1"),
        (
            lambda: parse_scheduler("rr:x"),
            r"a schedule must be rr\[:N\], random\[:N\], pct\[:D\] or a file, got 'rr:x'",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_vcpu_ids_are_unique():
    vm = Host().create_vm()
    vm.create_vcpu(0)
    with pytest.raises(ConfigError, match="a vcpu id must be unique in its VM, got 0 twice"):
        vm.create_vcpu(0)


@pytest.mark.parametrize(
    ("spec", "scheduler"),
    [
        ("rr", RoundRobin()),
        ("rr:5", RoundRobin(5)),
        ("random", Random()),
        ("random:9", Random(9)),
        ("pct", Pct()),
        ("pct:5", Pct(5)),
    ],
)
def test_schedulers_are_named_on_the_command_line(spec, scheduler):
    assert parse_scheduler(spec) == scheduler


# ---- more vcpus than hardware threads


def test_vcpus_share_hardware_threads_when_there_are_too_few():
    host = machine(RING, smt=8)
    assert len(host.cpus) == 4
    outcome = host.run()
    assert outcome.kind == "exit"
    assert host.words[host.vcpus[7].gpr(22)] == 49


def test_a_vcpu_that_never_yields_is_preempted_for_another_on_its_thread():
    spin = "_start: cmpdi 3,7\n beq 1f\n b _start\n1: li 4,0\n exit!\n"
    assert machine(spin, smt=8).run(max_insns=1_000_000).kind == "exit"


# ---- hcalls


def test_an_unknown_hcall_is_h_function():
    host = machine("_start: li 3,0x7ffc\n sc 1\n mr 25,3\n li 4,0\n exit!\n")
    host.run()
    assert host.words[host.vcpus[0].gpr(25)] == (1 << 64) - 2


def test_put_term_char_writes_up_to_16_characters():
    host = machine("""
_start: lis 6,0x4845
        ori 6,6,0x4c4c
        sldi 6,6,32
        lis 7,0x4f21
        ori 7,7,0x2121
        or 6,6,7
        mr 7,6
        li 5,12
        li 4,0
        li 3,0x58
        sc 1
        mr 25,3
        li 5,17
        li 3,0x58
        sc 1
        mr 26,3
        li 4,0
        exit!
""")
    host.run()
    assert host.vms[0].console == b"HELLO!!!HELL"
    assert host.words[host.vcpus[0].gpr(25)] == 0
    assert host.words[host.vcpus[0].gpr(26)] == (1 << 64) - 4, "more than 16 is H_PARAMETER"


def test_get_term_char_reads_what_is_there():
    host = Host()
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    vm.input = b"line of more than sixteen"
    source = "_start: li 3,0x54\n sc 1\n mr 25,4\n mr 26,5\n li 3,0x54\n sc 1\n mr 27,4\n"
    vm.load(assemble(source + "li 3,0x54\n sc 1\n li 3,-1\n sc 1\n b .\n"))
    host.run(max_insns=20)
    vcpu = host.vcpus[0]
    assert host.words[vcpu.gpr(25)] == 16
    assert host.words[vcpu.gpr(26)].to_bytes(8) == b"line of "
    assert host.words[vcpu.gpr(27)] == 9
    assert host.words[vcpu.gpr(4)] == 0


def test_random_gives_different_numbers_by_the_seed():
    source = "_start: li 3,0x300\n sc 1\n mr 25,4\n li 3,0x300\n sc 1\n mr 26,4\n li 4,0\n exit!"
    numbers = set()
    for seed in (1, 2):
        host = machine(source, seed=seed)
        host.run()
        numbers |= {host.words[host.vcpus[0].gpr(n)] for n in (25, 26)}
    assert len(numbers) == 4


SET_MODE = "_start: li 4,{}\n li 5,{}\n li 6,{}\n li 7,{}\n li 3,0x31c\n sc 1\n li 4,0\n mr 25,3\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((1, 4, 0, 0), 0),
        ((0, 4, 0, 0), 0),
        ((0, 3, 0, 0), 0),
        ((3, 3, 0, 0), 0),
        ((2, 4, 0, 0), -256),
        ((2, 3, 0, 0), -256),
        ((0, 9, 0, 0), -55),
        ((1, 4, 1, 0), -56),
        ((1, 4, 0, 1), -57),
    ],
)
def test_set_mode_checks_its_parameters(arguments, code):
    host = machine(SET_MODE.format(*arguments) + "exit!\n")
    host.run()
    assert host.words[host.vcpus[0].gpr(25)] == code % (1 << 64)


def test_set_mode_reaches_vcpus_that_are_in_the_guest():
    spin = "cmpdi 3,0\n bne spin\n"
    source = SET_MODE.format(1, 4, 0, 0).replace("_start:", "_start: " + spin)
    host = machine(source + "1: b 1b\nspin: b spin\n", smt=2)
    host.run(max_insns=20_000)
    assert all(host.machine.thread[i].lpcr >> 25 & 1 for i in range(2))


def test_sc_1_from_problem_state_is_the_guest_kernels_system_call():
    host = machine("""
        .org 0xc00
        mr 25,3
        li 4,0
        exit!
        .org 0x10000
_start: lis 5,user@h
        ori 5,5,user@l
        mtspr 26,5
        li 5,0x4000
        mtspr 27,5
        li 3,0xe0
        rfid
user:   sc 1
        b user
""")
    assert host.run().kind == "exit"
    assert host.words[host.vcpus[0].gpr(25)] == 0xE0


# ---- one definition each


def test_operation_numbers_are_those_of_the_engine():
    for enum, prefix in (
        (ops.OpCode, "EMU_OP_"),
        (ops.ConditionKind, "EMU_COND_"),
    ):
        assert {m.name: m.value for m in enum} == {
            name.removeprefix(prefix): getattr(lib, name)
            for name in dir(lib)
            if name.startswith(prefix)
        }


def test_exit_reasons_are_those_of_the_core():
    assert {m.name: m.value for m in ops.Reason} == {m.name: m.value for m in Exit}


def test_events_are_numbered_from_0_without_gaps():
    assert sorted(BY_NUMBER) == list(range(len(Event)))


def test_every_struct_has_fields():
    assert all(fields(struct)[1] for struct in STRUCTS)
