"""The XICS, a function per sentence of its rules; then every window of two updates at once."""

import itertools

import pytest

from emu.hv.hcalls import H_PARAMETER, kvmppc_pseries_do_hcall
from emu.hv.icp import FIRST_SOURCE, LEAST_FAVOURED, RESET, XICS_IPI, icp_fields, icp_word
from emu.hv.kvm import PENDING_EXTERNAL
from emu.hv.run import vcpu_task
from emu.hv.xics import H_CPPR, H_EOI, H_IPI, H_IPOLL, H_XIRR, H_XIRR_X, kvmppc_xics_set_irq
from hv.hand import Hand

WORD = (1 << 64) - 1
IPI_PRIORITY = 4


def hcall(hand, vcpu, number, *arguments):
    for i, argument in enumerate(arguments):
        hand[vcpu.gpr(4 + i)] = argument
    actor = hand.start(kvmppc_pseries_do_hcall(vcpu, number)).run()
    assert actor.done
    return hand[vcpu.gpr(3)]


def make(smt=2, irqs=(), cppr=LEAST_FAVOURED):
    hand = Hand(smt=smt, irqs=irqs)
    for vcpu in hand.vcpus:
        hand[vcpu.icp.state] = icp_word(cppr, 0, 0xFF, 0xFF)
    for source in hand.kvms[0].sources:
        hand[source.priority] = 5
    return hand


def icp(hand, vcpu):
    return icp_fields(hand[vcpu.icp.state])


def pending(hand, vcpu):
    return hand[vcpu.pending_exceptions] & PENDING_EXTERNAL


def set_irq(hand, source, level=1):
    assert hand.start(kvmppc_xics_set_irq(hand.vcpus[0], source, level)).run().done


def test_a_new_controller_accepts_nothing():
    hand = Hand()
    assert hand[hand.vcpus[0].icp.state] == RESET
    fields = icp(hand, hand.vcpus[0])
    assert (fields["cppr"], fields["mfrr"], fields["pending_pri"]) == (0, 0xFF, 0xFF)


# ---- H_IPI


def test_ipi_to_a_bad_server_is_h_parameter():
    hand = make()
    assert hcall(hand, hand.vcpus[0], H_IPI, 7, IPI_PRIORITY) == H_PARAMETER & WORD


def test_ipi_more_favoured_than_the_cppr_is_presented_and_kicks_the_target():
    hand = make()
    sender, target = hand.vcpus
    running = hand.start(vcpu_task(target)).run()
    assert hcall(hand, sender, H_IPI, 1, IPI_PRIORITY) == 0
    state = icp(hand, target)
    assert (state["mfrr"], state["xisr"], state["pending_pri"]) == (4, XICS_IPI, 4)
    assert state["out_ee"] == 1
    assert pending(hand, target)
    assert hand[target.pcpu.thread.hdoorbell] == 1
    assert running.in_guest


def test_ipi_to_oneself_is_pending_and_kicks_nobody():
    hand = make()
    vcpu = hand.vcpus[0]
    hand.start(vcpu_task(vcpu)).run()
    hcall(hand, vcpu, H_IPI, 0, IPI_PRIORITY)
    assert pending(hand, vcpu)
    assert hand[vcpu.pcpu.thread.hdoorbell] == 0


@pytest.mark.parametrize("cppr", [0, 3, 4])
def test_ipi_not_more_favoured_than_the_cppr_waits_in_the_mfrr(cppr):
    hand = make(cppr=cppr)
    hcall(hand, hand.vcpus[0], H_IPI, 1, IPI_PRIORITY)
    state = icp(hand, hand.vcpus[1])
    assert (state["mfrr"], state["xisr"], state["out_ee"]) == (4, 0, 0)
    assert not pending(hand, hand.vcpus[1])


def test_a_rejected_ipi_comes_as_soon_as_the_cppr_allows_it():
    hand = make(cppr=0)
    target = hand.vcpus[1]
    hcall(hand, hand.vcpus[0], H_IPI, 1, IPI_PRIORITY)
    hcall(hand, target, H_CPPR, 4)
    assert not pending(hand, target)
    hcall(hand, target, H_CPPR, 5)
    assert pending(hand, target)
    assert icp(hand, target)["xisr"] == XICS_IPI


def test_ipi_displaces_a_less_favoured_source_which_waits_for_its_turn():
    hand = make(irqs=(False,))
    vcpu, source = hand.vcpus[0], hand.kvms[0].sources[0]
    set_irq(hand, source)
    assert icp(hand, vcpu)["xisr"] == source.number
    hcall(hand, hand.vcpus[1], H_IPI, 0, IPI_PRIORITY)
    assert icp(hand, vcpu)["xisr"] == XICS_IPI
    assert hand[source.resend] == 1
    assert icp(hand, vcpu)["need_resend"] == 1
    hcall(hand, vcpu, H_XIRR)
    hcall(hand, vcpu, H_IPI, 0, 0xFF)
    hcall(hand, vcpu, H_EOI, 0xFF << 24 | XICS_IPI)
    assert icp(hand, vcpu)["xisr"] == source.number
    assert hand[source.resend] == 0


# ---- H_XIRR


def test_xirr_returns_the_old_cppr_and_source_and_takes_the_pending_priority():
    hand = make()
    vcpu = hand.vcpus[0]
    hcall(hand, vcpu, H_IPI, 0, IPI_PRIORITY)
    assert hcall(hand, vcpu, H_XIRR) == 0
    assert hand[vcpu.gpr(4)] == 0xFF << 24 | XICS_IPI
    state = icp(hand, vcpu)
    assert (state["cppr"], state["xisr"], state["pending_pri"]) == (4, 0, 0xFF)
    assert not pending(hand, vcpu)


def test_xirr_with_nothing_pending_leaves_the_cppr():
    hand = make(cppr=7)
    vcpu = hand.vcpus[0]
    hcall(hand, vcpu, H_XIRR)
    assert hand[vcpu.gpr(4)] == 7 << 24
    assert icp(hand, vcpu)["cppr"] == 7


def test_xirr_x_also_returns_the_timebase():
    hand = make()
    vcpu = hand.vcpus[0]
    hand[vcpu.pcpu.timebase] = 1234
    hcall(hand, vcpu, H_XIRR_X)
    assert hand[vcpu.gpr(5)] == 1234


def test_an_external_interrupt_is_a_level_until_it_is_accepted():
    hand = make()
    vcpu = hand.vcpus[0]
    hcall(hand, vcpu, H_IPI, 0, IPI_PRIORITY)
    for _ in range(2):
        actor = hand.start(vcpu_task(vcpu)).run()
        assert actor.in_guest
        assert hand[vcpu.arch.external_pending] == 1
        hand[vcpu.pcpu.running] = 0
    hcall(hand, vcpu, H_XIRR)
    hand.start(vcpu_task(vcpu)).run()
    assert hand[vcpu.arch.external_pending] == 0


# ---- H_CPPR, H_EOI, H_IPOLL


def test_cppr_more_favoured_drops_the_line_and_rejects_what_is_pending():
    hand = make(irqs=(False,))
    vcpu, source = hand.vcpus[0], hand.kvms[0].sources[0]
    set_irq(hand, source)
    hcall(hand, vcpu, H_CPPR, 5)
    assert not pending(hand, vcpu)
    assert icp(hand, vcpu)["xisr"] == 0
    assert hand[source.resend] == 1
    hcall(hand, vcpu, H_CPPR, 0xFF)
    assert icp(hand, vcpu)["xisr"] == source.number
    assert pending(hand, vcpu)


def test_cppr_more_favoured_but_still_above_what_is_pending_keeps_it():
    hand = make()
    vcpu = hand.vcpus[0]
    hcall(hand, vcpu, H_IPI, 0, IPI_PRIORITY)
    hcall(hand, vcpu, H_CPPR, 5)
    assert icp(hand, vcpu)["xisr"] == XICS_IPI
    assert pending(hand, vcpu), "the line is raised again by the update"


def test_cppr_equal_changes_nothing():
    hand = make(cppr=9)
    vcpu = hand.vcpus[0]
    before = hand[vcpu.icp.state]
    hcall(hand, vcpu, H_CPPR, 9)
    assert hand[vcpu.icp.state] == before


def test_an_accepted_source_is_not_presented_again_before_eoi():
    hand = make(irqs=(False,))
    vcpu, source = hand.vcpus[0], hand.kvms[0].sources[0]
    set_irq(hand, source)
    hcall(hand, vcpu, H_XIRR)
    xirr = hand[vcpu.gpr(4)]
    set_irq(hand, source)
    assert icp(hand, vcpu)["xisr"] == 0
    assert not pending(hand, vcpu)
    hcall(hand, vcpu, H_EOI, xirr)
    assert icp(hand, vcpu)["xisr"] == source.number, "it came again meanwhile"


def test_eoi_of_an_ipi_restores_the_cppr_and_an_mfrr_that_stands_comes_again():
    hand = make()
    vcpu = hand.vcpus[0]
    hcall(hand, vcpu, H_IPI, 0, IPI_PRIORITY)
    hcall(hand, vcpu, H_XIRR)
    assert hcall(hand, vcpu, H_EOI, hand[vcpu.gpr(4)]) == 0
    state = icp(hand, vcpu)
    assert (state["cppr"], state["xisr"]) == (0xFF, XICS_IPI)


def test_eoi_of_an_unknown_source_is_h_parameter():
    hand = make()
    assert hcall(hand, hand.vcpus[0], H_EOI, 0xFF << 24 | 99) == H_PARAMETER & WORD


def test_a_line_that_is_still_up_at_eoi_comes_again_and_one_that_is_down_does_not():
    hand = make(irqs=(True,))
    vcpu, source = hand.vcpus[0], hand.kvms[0].sources[0]
    set_irq(hand, source, 1)
    hcall(hand, vcpu, H_XIRR)
    xirr = hand[vcpu.gpr(4)]
    hcall(hand, vcpu, H_EOI, xirr)
    assert icp(hand, vcpu)["xisr"] == source.number
    hcall(hand, vcpu, H_XIRR)
    set_irq(hand, source, 0)
    hcall(hand, vcpu, H_EOI, xirr)
    assert icp(hand, vcpu)["xisr"] == 0


def test_ipoll_looks_and_changes_nothing():
    hand = make()
    vcpu = hand.vcpus[1]
    hcall(hand, hand.vcpus[0], H_IPI, 1, IPI_PRIORITY)
    before = hand[vcpu.icp.state]
    assert hcall(hand, hand.vcpus[0], H_IPOLL, 1) == 0
    assert hand[hand.vcpus[0].gpr(4)] == 0xFF << 24 | XICS_IPI
    assert hand[hand.vcpus[0].gpr(5)] == IPI_PRIORITY
    assert hand[vcpu.icp.state] == before
    assert hcall(hand, hand.vcpus[0], H_IPOLL, 5) == H_PARAMETER & WORD


def test_a_masked_source_is_remembered_and_not_presented():
    hand = make(irqs=(False,))
    source = hand.kvms[0].sources[0]
    hand[source.priority] = LEAST_FAVOURED
    set_irq(hand, source)
    assert hand[source.masked_pending] == 1
    assert not pending(hand, hand.vcpus[0])


def test_sources_are_numbered_from_16():
    assert [source.number for source in make(irqs=(False, True)).kvms[0].sources] == [16, 17]
    assert FIRST_SOURCE == 16


# ---- two at once


def interleaved(first, second, steps):
    """Run `steps` operations of one, all of the other, the rest of the first."""
    for _ in range(steps):
        if first.done:
            break
        first.step()
    assert second.run().done
    assert first.run().done


def test_an_ipi_in_every_window_of_cppr_ends_up_pending():
    """No request is lost between the target that changes its CPPR and the sender."""
    for old, new, steps in itertools.product((0, 3, 0xFF), (0, 3, 6, 0xFF), range(40)):
        hand = make(cppr=old)
        sender, target = hand.vcpus
        hand[target.gpr(4)] = new
        hand[sender.gpr(4)], hand[sender.gpr(5)] = 1, IPI_PRIORITY
        changing = hand.start(kvmppc_pseries_do_hcall(target, H_CPPR))
        sending = hand.start(kvmppc_pseries_do_hcall(sender, H_IPI))
        interleaved(changing, sending, steps)
        state = icp(hand, target)
        assert state["mfrr"] == IPI_PRIORITY
        assert (state["xisr"] == XICS_IPI) is (new > IPI_PRIORITY), (old, new, steps)
        assert state["out_ee"] == (new > IPI_PRIORITY)
        # The line may be up for nothing (H_XIRR then finds no source), but never down wrongly.
        assert pending(hand, target) >= state["out_ee"]


def test_an_ipi_in_every_window_of_xirr_is_accepted_or_stays_pending():
    for steps in range(30):
        hand = make()
        sender, target = hand.vcpus
        hand[sender.gpr(4)], hand[sender.gpr(5)] = 1, IPI_PRIORITY
        accepting = hand.start(kvmppc_pseries_do_hcall(target, H_XIRR))
        sending = hand.start(kvmppc_pseries_do_hcall(sender, H_IPI))
        interleaved(accepting, sending, steps)
        accepted = hand[target.gpr(4)] & 0xFFFFFF == XICS_IPI
        assert accepted or pending(hand, target), steps
        assert icp(hand, target)["cppr"] == (IPI_PRIORITY if accepted else 0xFF)


def test_a_refusal_in_every_window_of_a_lowered_cppr_is_resent():
    """The refusing side looks at need_resend again after it has set its bit."""
    for steps in range(60):
        hand = make(irqs=(False,), cppr=3)
        vcpu, other = hand.vcpus
        source = hand.kvms[0].sources[0]
        hand[vcpu.gpr(4)] = 0xFF
        raising = hand.start(kvmppc_xics_set_irq(other, source, 1))
        lowering = hand.start(kvmppc_pseries_do_hcall(vcpu, H_CPPR))
        for _ in range(steps):
            if raising.done:
                break
            raising.step()
        lowering.run()  # may have to wait for the source's lock
        raising.run()
        lowering.run()
        assert lowering.done
        assert raising.done
        assert icp(hand, vcpu)["xisr"] == source.number, steps
        assert pending(hand, vcpu)
