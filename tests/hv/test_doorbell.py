"""Doorbells on POWER9, a function per sentence of KVM's emulation; windows are driven by hand."""

import pytest

from emu.hv.doorbell import DPDES, TIR, kvmppc_emulate_doorbell_instr
from emu.hv.ops import Await, Inject, Read, Reason, Write
from emu.hv.run import vcpu_task
from hv.hand import Hand

MSGP = 10
MSGSNDP_R4 = 0x7C00211C
MSGCLRP_R4 = 0x7C00215C
MFSPR_R3_TIR = 0x7C7E6AA6
MFSPR_R3_DPDES = 0x7C702AA6
MTSPR_DPDES_R3 = 0x7C702BA6
MFSPR_R3_PVR = 0x7C7F42A6


def message(tag, kind=5, upper=0):
    return upper << 32 | kind << 27 | tag


def at_instruction(hand, vcpu, word, rb=0):
    """A vcpu whose next instruction is `word`, with this value in r4."""
    hand[vcpu.arch.exit_word] = word
    hand[vcpu.arch.nia] = 0x10000
    hand[vcpu.gpr(4)] = rb


def emulate(hand, vcpu, word, rb=0):
    at_instruction(hand, vcpu, word, rb)
    actor = hand.start(kvmppc_emulate_doorbell_instr(vcpu)).run()
    assert actor.done
    return actor


def entered(hand, vcpu):
    """The vcpu's task, standing in the guest."""
    actor = hand.start(vcpu_task(vcpu)).run()
    assert actor.in_guest
    return actor


def trap(hand, actor, vcpu, word, rb=0):
    """The guest uses the doorbell facility; its task goes on until the guest runs again."""
    at_instruction(hand, vcpu, word, rb)
    return actor.exit(Reason.HFAC_UNAVAIL, MSGP)


# ---- step 1 and 2: fetching and the primary opcode


def test_a_failed_fetch_resumes_the_guest_with_the_same_nia():
    hand = Hand()
    vcpu = hand.vcpus[0]
    at_instruction(hand, vcpu, MSGSNDP_R4)
    actor = hand.start(kvmppc_emulate_doorbell_instr(vcpu))
    actor.step(raw=0)
    assert actor.done
    assert actor.result is True
    assert hand[vcpu.arch.nia] == 0x10000


@pytest.mark.parametrize("word", [0x38600001, MTSPR_DPDES_R3, MFSPR_R3_PVR, 0x7C000000], ids=hex)
def test_anything_else_fails_to_be_emulated_and_nia_stays(word):
    hand = Hand()
    actor = emulate(hand, hand.vcpus[0], word)
    assert actor.result is False
    assert hand[hand.vcpus[0].arch.nia] == 0x10000


def test_emulate_fail_is_an_illegal_instruction_program_interrupt():
    hand = Hand()
    actor = entered(hand, hand.vcpus[0])
    trap(hand, actor, hand.vcpus[0], MTSPR_DPDES_R3).run()
    injected = [op for op in actor.log if isinstance(op, Inject)]
    assert injected == [Inject(0, 0x700, 0x80000)]


# ---- msgsndp


def test_msgsndp_sets_the_targets_request_and_advances_nia():
    hand = Hand(smt=4)
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(2))
    requests = [hand[vcpu.doorbell_request] for vcpu in hand.vcpus]
    assert requests == [0, 0, 1, 0]
    assert hand[hand.vcpus[0].arch.nia] == 0x10004


@pytest.mark.parametrize("kind", [k for k in range(32) if k != 5])
def test_msgsndp_of_another_type_is_a_no_op(kind):
    hand = Hand(smt=2)
    actor = emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1, kind=kind))
    assert actor.result is True
    assert hand[hand.vcpus[0].arch.nia] == 0x10004
    assert not any(hand[vcpu.doorbell_request] for vcpu in hand.vcpus)


@pytest.mark.parametrize("tag", [2, 3, 63, 64, 127])
def test_msgsndp_to_a_tag_outside_the_smt_mode_is_a_no_op(tag):
    hand = Hand(smt=2)
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(tag))
    assert hand[hand.vcpus[0].arch.nia] == 0x10004
    assert not any(hand[vcpu.doorbell_request] for vcpu in hand.vcpus)


def test_msgsndp_to_an_absent_vcpu_is_a_no_op():
    hand = Hand(smt=4, vcpu_ids=(0, 1))
    actor = emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(3))
    assert actor.result is True
    assert actor.events == ["DOORBELL_IGNORED"]


def test_msgsndp_ignores_the_upper_half_of_rb_and_bits_between_type_and_tag():
    hand = Hand(smt=2)
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1 | 0x07FFFF80, upper=0xFFFFFFFF))
    assert hand[hand.vcpus[1].doorbell_request] == 1


def test_msgsndp_stays_within_the_senders_virtual_core():
    hand = Hand(smt=2, vcpu_ids=(0, 1, 2, 3))
    emulate(hand, hand.vcpus[3], MSGSNDP_R4, message(0))
    assert [hand[vcpu.doorbell_request] for vcpu in hand.vcpus] == [0, 0, 1, 0]


def test_msgsndp_kicks_a_target_that_is_in_the_guest():
    hand = Hand(smt=2)
    entered(hand, hand.vcpus[1])
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    assert hand[hand.vcpus[1].pcpu.thread.hdoorbell] == 1


def test_a_second_msgsndp_neither_sets_nor_kicks():
    hand = Hand(smt=2)
    entered(hand, hand.vcpus[1])
    hand[hand.vcpus[1].doorbell_request] = 1
    actor = emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    assert actor.events == ["DOORBELL_COALESCED"]
    assert hand[hand.vcpus[1].pcpu.thread.hdoorbell] == 0


def test_msgsndp_to_oneself_is_pending_at_the_next_entry():
    hand = Hand(smt=2)
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    trap(hand, actor, vcpu, MSGSNDP_R4, message(0)).run()
    assert actor.in_guest
    assert hand[vcpu.doorbell_request] == 0
    assert hand[vcpu.pcpu.subproc.dpdes] == 1


# ---- msgclrp


def test_msgclrp_drops_only_the_executing_threads_doorbell_whatever_the_tag():
    hand = Hand(smt=2)
    for vcpu in hand.vcpus:
        hand[vcpu.doorbell_request] = 1
    emulate(hand, hand.vcpus[0], MSGCLRP_R4, message(1))
    assert [hand[vcpu.doorbell_request] for vcpu in hand.vcpus] == [0, 1]


def test_msgclrp_of_another_type_is_a_no_op():
    hand = Hand()
    hand[hand.vcpus[0].doorbell_request] = 1
    emulate(hand, hand.vcpus[0], MSGCLRP_R4, message(0, kind=4))
    assert hand[hand.vcpus[0].doorbell_request] == 1
    assert hand[hand.vcpus[0].arch.nia] == 0x10004


def test_msgclrp_clears_a_doorbell_that_was_pending_in_hardware():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    hand[vcpu.pcpu.subproc.dpdes] = 1
    trap(hand, actor, vcpu, MSGCLRP_R4, message(0)).run()
    assert hand[vcpu.pcpu.subproc.dpdes] == 0
    assert hand[vcpu.doorbell_request] == 0


# ---- mfspr


@pytest.mark.parametrize(
    ("smt", "vcpu_id", "tir"), [(1, 0, 0), (2, 1, 1), (4, 3, 3), (2, 3, 1), (8, 13, 5)]
)
def test_tir_is_the_vcpu_id_modulo_the_smt_mode(smt, vcpu_id, tir):
    hand = Hand(smt=smt, vcpu_ids=(vcpu_id,))
    emulate(hand, hand.vcpus[0], MFSPR_R3_TIR)
    assert hand[hand.vcpus[0].gpr(3)] == tir
    assert hand[hand.vcpus[0].arch.nia] == 0x10004


def test_dpdes_shows_every_pending_doorbell_of_the_core_and_consumes_none():
    hand = Hand(smt=4)
    for vcpu in (hand.vcpus[0], hand.vcpus[3]):
        hand[vcpu.doorbell_request] = 1
    emulate(hand, hand.vcpus[1], MFSPR_R3_DPDES)
    assert hand[hand.vcpus[1].gpr(3)] == 0b1001
    assert [hand[vcpu.doorbell_request] for vcpu in hand.vcpus] == [1, 0, 0, 1]


def test_dpdes_bits_of_absent_vcpus_and_of_other_cores_are_zero():
    hand = Hand(smt=2, vcpu_ids=(0, 2, 3))
    hand[hand.vcpus[1].doorbell_request] = 1
    emulate(hand, hand.vcpus[0], MFSPR_R3_DPDES)
    assert hand[hand.vcpus[0].gpr(3)] == 0


def test_reading_dpdes_pulls_a_running_vcpu_out_so_that_its_hardware_bit_counts():
    hand = Hand(smt=2)
    reader, target = hand.vcpus
    running = entered(hand, target)
    hand[target.pcpu.subproc.dpdes] = 1  # pending, with MSR[EE] = 0
    at_instruction(hand, reader, MFSPR_R3_DPDES)
    reading = hand.start(kvmppc_emulate_doorbell_instr(reader)).run()
    assert reading.waits, "the call must be answered first (wait=1)"
    assert hand[target.pcpu.thread.hdoorbell] == 1
    running.exit(Reason.H_DOORBELL).until(Write(target.pcpu.irqs_off, 0)).step()
    reading.run()
    assert reading.done
    assert hand[reader.gpr(3)] == 0b10


def test_a_target_that_reenters_between_its_answer_and_the_sample_reads_as_0():
    """The window that KVM leaves open: the doorbell is pending, but neither place shows it."""
    hand = Hand(smt=2)
    reader, target = hand.vcpus
    running = entered(hand, target)
    hand[target.pcpu.subproc.dpdes] = 1
    at_instruction(hand, reader, MFSPR_R3_DPDES)
    reading = hand.start(kvmppc_emulate_doorbell_instr(reader)).run()
    running.exit(Reason.H_DOORBELL).until(Write(target.pcpu.irqs_off, 0)).step()
    reading.until(Read(target.doorbell_request))
    running.run()
    assert running.in_guest
    reading.run()
    assert hand[target.pcpu.subproc.dpdes] == 1
    assert hand[reader.gpr(3)] == 0


def test_ones_own_dpdes_bit_is_exact():
    hand = Hand(smt=2)
    vcpu = hand.vcpus[1]
    actor = entered(hand, vcpu)
    hand[vcpu.pcpu.subproc.dpdes] = 1
    trap(hand, actor, vcpu, MFSPR_R3_DPDES).run()
    assert hand[vcpu.gpr(3)] == 0b10
    assert hand[vcpu.pcpu.subproc.dpdes] == 1


def test_the_numbers_of_tir_and_dpdes_are_swapped_in_the_instruction():
    assert MFSPR_R3_TIR >> 11 & 0x3FF == TIR
    assert MFSPR_R3_DPDES >> 11 & 0x3FF == DPDES


# ---- kicks


def test_a_kick_wakes_the_task_before_it_looks_where_the_target_runs():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    actor = emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    steps = [op for op in actor.log if op in (Write(target.awake, 1), Read(target.thread_cpu))]
    assert steps == [Write(target.awake, 1), Read(target.thread_cpu)]


def test_a_kicked_vcpu_exits_and_reenters_with_its_doorbell():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    running = entered(hand, target)
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    running.exit(Reason.H_DOORBELL).run()
    assert running.in_guest
    assert hand[target.pcpu.subproc.dpdes] == 1


# ---- entry and exit


def test_entry_publishes_the_cpu_before_it_tests_the_request():
    hand = Hand(smt=2)
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    order = [
        op
        for op in actor.log
        if op in (Write(vcpu.cpu, 1), Write(vcpu.thread_cpu, 1), Read(vcpu.doorbell_request))
    ]
    assert order == [
        Write(vcpu.cpu, 1),
        Write(vcpu.thread_cpu, 1),
        Read(vcpu.doorbell_request),
    ]


def test_a_send_between_publishing_and_the_test_needs_no_exit():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    entering = hand.start(vcpu_task(target)).until(Read(target.doorbell_request))
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    entering.run()
    assert hand[target.pcpu.subproc.dpdes] == 1


def test_a_send_after_the_test_is_not_lost_because_the_kick_finds_the_cpu():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    entering = hand.start(vcpu_task(target)).until(Read(target.doorbell_request))
    entering.step()
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    entering.run()
    assert hand[target.pcpu.subproc.dpdes] == 0
    assert hand[target.pcpu.thread.hdoorbell] == 1, "the guest is left at once"
    entering.exit(Reason.H_DOORBELL).run()
    assert hand[target.pcpu.subproc.dpdes] == 1


def test_exit_merges_the_hardware_bit_into_the_request_and_clears_it():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    hand[vcpu.pcpu.subproc.dpdes] = 1
    actor.exit(Reason.H_DOORBELL).until(Write(vcpu.cpu, 0))
    assert hand[vcpu.doorbell_request] == 1
    assert hand[vcpu.pcpu.subproc.dpdes] == 0


def test_exit_with_no_hardware_bit_leaves_a_senders_request_alone():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    running = entered(hand, target)
    emulate(hand, hand.vcpus[0], MSGSNDP_R4, message(1))
    running.exit(Reason.H_DOORBELL).until(Write(target.cpu, 0))
    assert hand[target.doorbell_request] == 1


def test_on_exit_interrupts_come_on_only_after_the_state_is_saved():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    hand[vcpu.pcpu.subproc.dpdes] = 1
    actor.exit(Reason.H_DOORBELL).run()
    log = actor.log
    saved = log.index(Write(vcpu.doorbell_request, 1))
    off = log.index(Write(vcpu.thread_cpu, 0))
    on = log.index(Write(vcpu.pcpu.irqs_off, 0))
    assert saved < off < on


def test_the_guest_never_gets_msgp_in_its_hfscr():
    hand = Hand()
    assert hand.kvms[0].generation.hfscr >> 10 & 1 == 0


def test_a_doorbell_that_comes_between_two_steps_of_irq_disable_costs_one_exit_only():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = hand.start(vcpu_task(vcpu)).until(Write(vcpu.pcpu.irqs_off, 1))
    hand[vcpu.pcpu.thread.hdoorbell] = 1
    actor.run()
    assert actor.in_guest
    assert hand[vcpu.pcpu.thread.hdoorbell] == 1


def test_a_call_to_a_cpu_with_interrupts_on_is_answered_at_once():
    hand = Hand(smt=2)
    reader, target = hand.vcpus
    hand[target.cpu] = 1 + target.pcpu.number  # published, but its cpu takes interrupts
    at_instruction(hand, reader, MFSPR_R3_DPDES)
    reading = hand.start(kvmppc_emulate_doorbell_instr(reader)).run()
    assert reading.done
    assert not any(isinstance(op, Await) and reading.waits for op in reading.log)
