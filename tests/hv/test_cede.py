"""H_CEDE, H_PROD and H_CONFER on POWER9, a function per sentence."""

import pytest

from emu.hv.cede import EE, kvmppc_vcpu_woken
from emu.hv.hcalls import H_CEDE, H_CONFER, H_PARAMETER, H_PROD, kvmppc_pseries_do_hcall
from emu.hv.ops import Check, Read, Reason, Relax, Write, nonzero
from emu.hv.run import vcpu_task
from hv.hand import Hand

WORD = (1 << 64) - 1


def entered(hand, vcpu):
    return hand.start(vcpu_task(vcpu)).run()


def hcall(hand, vcpu, number, *arguments):
    for i, argument in enumerate(arguments):
        hand[vcpu.gpr(4 + i)] = argument
    actor = hand.start(kvmppc_pseries_do_hcall(vcpu, number)).run()
    assert actor.done
    assert actor.result is True
    return hand[vcpu.gpr(3)]


def ceded(hand, vcpu):
    actor = entered(hand, vcpu).exit(Reason.HCALL, H_CEDE).run()
    assert actor.waits
    return actor


def test_cede_enables_interrupts_and_returns_0():
    hand = Hand()
    vcpu = hand.vcpus[0]
    hand[vcpu.gpr(3)] = 0xE0
    ceded(hand, vcpu)
    assert hand[vcpu.arch.msr] & EE
    assert hand[vcpu.gpr(3)] == 0
    assert hand[vcpu.ceded] == 1


def test_cede_sets_ceded_before_it_looks_at_prodded():
    hand = Hand()
    vcpu = hand.vcpus[0]
    log = ceded(hand, vcpu).log
    assert log.index(Write(vcpu.ceded, 1)) < log.index(Read(vcpu.prodded))


def test_a_prodded_vcpu_does_not_wait_and_uses_the_prod_up():
    hand = Hand()
    vcpu = hand.vcpus[0]
    hand[vcpu.prodded] = 1
    actor = entered(hand, vcpu).exit(Reason.HCALL, H_CEDE).run()
    assert actor.in_guest
    assert hand[vcpu.prodded] == 0
    assert hand[vcpu.ceded] == 0
    assert actor.exit(Reason.HCALL, H_CEDE).run().waits


@pytest.mark.parametrize("field", ["doorbell_request", "pending_exceptions", "prodded"])
def test_each_kind_of_event_ends_the_wait(field):
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = hand.start(kvmppc_vcpu_woken(vcpu)).run()
    assert actor.result is False
    hand[getattr(vcpu, field)] = 1
    assert hand.start(kvmppc_vcpu_woken(vcpu)).run().result is True


def test_a_doorbell_that_was_pending_in_hardware_ends_the_cede():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu)
    hand[vcpu.pcpu.subproc.dpdes] = 1
    assert actor.exit(Reason.HCALL, H_CEDE).run().in_guest
    assert hand[vcpu.pcpu.subproc.dpdes] == 1


def test_the_predicate_is_evaluated_after_the_task_prepared_to_wait():
    """A doorbell that comes just before the task sleeps is seen."""
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu).exit(Reason.HCALL, H_CEDE).until(Write(vcpu.awake, 0))
    actor.step()
    hand[vcpu.doorbell_request] = 1
    assert actor.run().in_guest


def test_a_wake_up_between_the_predicate_and_the_sleep_is_not_lost():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = entered(hand, vcpu).exit(Reason.HCALL, H_CEDE)
    actor.until(Check(nonzero(vcpu.doorbell_request)))
    actor.step()
    hand[vcpu.doorbell_request] = 1
    hand[vcpu.awake] = 1
    assert actor.run().in_guest


def test_the_predicate_is_evaluated_after_every_wake_up():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = ceded(hand, vcpu)
    hand[vcpu.awake] = 1
    actor.run()
    assert actor.waits, "nothing is pending: the wake-up was for nothing"


def test_a_decrementer_that_was_never_set_does_not_end_the_cede():
    hand = Hand()
    vcpu = hand.vcpus[0]
    hand[vcpu.arch.dec_expires] = 0
    assert ceded(hand, vcpu).op.deadline == 0


def test_a_host_timer_stands_in_for_the_decrementer():
    hand = Hand()
    vcpu = hand.vcpus[0]
    hand[vcpu.arch.dec_armed] = 1
    hand[vcpu.arch.dec_expires] = 500
    actor = ceded(hand, vcpu)
    hand[vcpu.pcpu.timebase] = 499
    assert actor.waits
    hand[vcpu.pcpu.timebase] = 500
    assert actor.run().in_guest


def test_a_decrementer_that_has_already_expired_ends_the_cede_at_once():
    hand = Hand()
    vcpu = hand.vcpus[0]
    hand[vcpu.arch.dec_armed] = 1
    hand[vcpu.arch.dec_expires] = 500
    hand[vcpu.pcpu.timebase] = 501
    assert entered(hand, vcpu).exit(Reason.HCALL, H_CEDE).run().in_guest


def test_ceded_is_cleared_on_every_entry():
    hand = Hand()
    vcpu = hand.vcpus[0]
    actor = ceded(hand, vcpu)
    hand[vcpu.doorbell_request] = hand[vcpu.awake] = 1
    actor.run()
    assert hand[vcpu.ceded] == 0


def test_a_ceded_vcpu_gives_its_cpu_up():
    hand = Hand()
    vcpu = hand.vcpus[0]
    ceded(hand, vcpu)
    assert hand[vcpu.pcpu.running] == 0


# ---- H_PROD


def test_prod_of_an_unknown_vcpu_is_h_parameter():
    hand = Hand(smt=2)
    assert hcall(hand, hand.vcpus[0], H_PROD, 7) == H_PARAMETER & WORD


def test_prod_sets_prodded_before_it_looks_at_ceded():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    hand[hand.vcpus[0].gpr(4)] = 1
    log = hand.start(kvmppc_pseries_do_hcall(hand.vcpus[0], H_PROD)).run().log
    assert log.index(Write(target.prodded, 1)) < log.index(Read(target.ceded))


def test_prod_wakes_a_ceded_vcpu_which_uses_it_up():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    actor = ceded(hand, target)
    assert hcall(hand, hand.vcpus[0], H_PROD, 1) == 0
    assert actor.run().in_guest
    assert hand[target.prodded] == 0


def test_prod_of_a_running_vcpu_stays_until_its_next_cede():
    hand = Hand(smt=2)
    target = hand.vcpus[1]
    actor = entered(hand, target)
    hcall(hand, hand.vcpus[0], H_PROD, 1)
    assert hand[target.prodded] == 1
    assert hand[target.pcpu.thread.hdoorbell] == 0, "it is not ceded: no kick"
    assert actor.exit(Reason.HCALL, H_CEDE).run().in_guest
    assert actor.exit(Reason.HCALL, H_CEDE).run().waits


def test_prod_in_every_window_of_cede_ends_exactly_one_cede():
    """Dekker: cede sets ceded and reads prodded, prod sets prodded and reads ceded."""
    for steps in range(60):
        hand = Hand(smt=2)
        target = hand.vcpus[1]
        actor = entered(hand, target).exit(Reason.HCALL, H_CEDE)
        for _ in range(steps):
            if actor.waits or actor.in_guest:
                break
            actor.step()
        hcall(hand, hand.vcpus[0], H_PROD, 1)
        actor.run()
        assert actor.in_guest, f"still ceded with the prod after {steps} steps"
        assert actor.exit(Reason.HCALL, H_CEDE).run().waits, "it ended two"
        assert hand[target.prodded] == 0


# ---- H_CONFER


def test_confer_to_all_returns_success():
    hand = Hand(smt=2)
    assert hcall(hand, hand.vcpus[0], H_CONFER, WORD, 0) == 0


def test_confer_to_an_unknown_vcpu_is_h_parameter():
    hand = Hand(smt=2)
    assert hcall(hand, hand.vcpus[0], H_CONFER, 9, 0) == H_PARAMETER & WORD


def test_confer_yields_only_if_the_dispatch_count_is_still_the_targets():
    hand = Hand(smt=2)
    vcpu = hand.vcpus[0]
    for held, count, yields in ((0, 0, True), (0, 1, False), (7, 7, True), (8, 7, False)):
        hand[hand.vcpus[1].yield_count] = held
        hand[vcpu.gpr(4)], hand[vcpu.gpr(5)] = 1, count
        log = hand.start(kvmppc_pseries_do_hcall(vcpu, H_CONFER)).run().log
        assert (Relax() in log) is yields
        assert hand[vcpu.gpr(3)] == 0
