"""msgsndp, msgclrp, DPDES and TIR where the facility is the hardware's (HFSCR[MSGP] = 1)."""

from __future__ import annotations

import pytest

from emu.core.machine import Deed, Exit

from .guest import EE, ME, RI, SF, Guest, with_vectors

DOORBELL = 5 << 27


def sender(rb, nthreads=4, text="msgsndp 3\n mfspr 4,176\n sc 1", **options):
    g = Guest(text, nvcpus=nthreads, r3=rb, **options)
    for n in range(1, nthreads):
        g.machine.thread[n].subproc = 0
    g.s.nthreads = nthreads
    return g


@pytest.mark.parametrize("tag", range(4))
def test_a_message_sets_the_targets_bit(tag):
    g = sender(DOORBELL | tag).finish()
    assert g.s.dpdes == g.r(4) == 1 << tag
    assert g.machine.count(0, Deed.SEND) == 1


@pytest.mark.parametrize("upper", [0, 0xFFFFFFFF])
def test_only_type_and_tag_of_rb_matter(upper):
    g = sender(upper << 32 | DOORBELL | 0x7FFFF80 | 2).finish()
    assert g.s.dpdes == 0b100


@pytest.mark.parametrize("kind", [kind for kind in range(32) if kind != 5])
def test_another_message_type_does_nothing(kind):
    g = sender(kind << 27 | 1).finish()
    assert g.s.dpdes == 0
    assert g.machine.count(0, Deed.IGNORE) == 1


@pytest.mark.parametrize("tag", [4, 5, 63, 64, 65, 127])
def test_a_tag_beyond_the_sub_processor_does_nothing(tag):
    g = sender(DOORBELL | tag).finish()
    assert g.s.dpdes == 0


def test_a_second_message_changes_nothing_more():
    g = sender(DOORBELL | 1, text="msgsndp 3\n msgsndp 3\n sc 1").finish()
    assert g.s.dpdes == 0b10
    assert [g.machine.count(0, deed) for deed in (Deed.SEND, Deed.COALESCE)] == [1, 1]


def test_a_message_to_oneself_interrupts_after_the_instruction():
    text = with_vectors("msgsndp 3\nafter: nop", 0xA00)
    g = sender(DOORBELL | 0, text=text, msr=SF | ME | EE | RI).finish()
    assert (g.r(20), g.r(21), g.s.dpdes) == (g.at("after"), SF | ME | EE | RI, 0)


def test_clearing_takes_the_own_bit_whatever_the_tag():
    g = sender(DOORBELL | 1, text="msgclrp 3\n sc 1")
    g.s.dpdes = 0b1111
    assert g.run(thread=2) is Exit.HCALL
    assert g.s.dpdes == 0b1011
    assert g.machine.count(2, Deed.CLEAR) == 1


def test_clearing_with_another_type_does_nothing():
    g = sender(4 << 27, text="msgclrp 3\n sc 1")
    g.s.dpdes = 0b1111
    g.finish()
    assert g.s.dpdes == 0b1111


def test_clearing_nothing_is_not_counted():
    g = sender(DOORBELL, text="msgclrp 3\n sc 1").finish()
    assert g.machine.count(0, Deed.CLEAR) == 0


def test_threads_of_other_sub_processors_are_out_of_reach():
    g = sender(DOORBELL | 1)
    g.machine.thread[1].subproc = 1
    g.finish()
    assert (g.machine.subproc[0].dpdes, g.machine.subproc[1].dpdes) == (0b10, 0)


def test_reading_dpdes_does_not_consume():
    g = sender(0, text="mfspr 4,176\n mfspr 5,176\n sc 1")
    g.s.dpdes = 0b101
    g.finish()
    assert (g.r(4), g.r(5), g.s.dpdes) == (0b101, 0b101, 0b101)
