"""Decrementer, timebase and the registers that count."""

from __future__ import annotations

import pytest

from emu.core.machine import Exit
from emu.isa.msr import mask

from .guest import ALL, EE, ME, SF, Guest, with_vectors

LD = mask("LPCR", "LD")


@pytest.mark.parametrize("dec", [0, 1, 2, 7, 100])
def test_the_decrementer_interrupts_when_it_has_counted_below_zero(dec):
    text = "mtspr 22,3\n" + "addi 4,4,1\n" * 120
    g = Guest(with_vectors(text, 0x900), r3=dec, msr=SF | ME | EE)
    g.finish()
    assert (g.r(22), g.r(4)) == (0x900, dec)


def test_a_negative_decrementer_is_pending_at_once():
    g = Guest(with_vectors("mtspr 22,3\nafter: nop", 0x900), r3=-5, msr=SF | ME | EE)
    g.finish()
    assert g.r(20) == g.at("after")


def test_a_decrementer_that_was_never_written_is_off():
    g = Guest(with_vectors("b .", 0x900), msr=SF | ME | EE)
    g.machine.state.tb = 1 << 60
    assert g.run() is Exit.BUDGET


def test_the_decrementer_reads_one_less_at_each_instruction():
    g = Guest("mtspr 22,3\n mfspr 4,22\n mfspr 5,22\n nop\n mfspr 6,22\n sc 1", r3=100).finish()
    assert [g.r(n) for n in (4, 5, 6)] == [99, 98, 96]


def test_a_decrementer_below_zero_reads_as_32_bits():
    g = Guest("mtspr 22,3\n nop\n mfspr 4,22\n sc 1", r3=0).finish()
    assert g.r(4) == 0xFFFFFFFE


def test_only_the_low_word_of_a_small_decrementer_counts():
    g = Guest(with_vectors("mtspr 22,3\n nop\n nop", 0x900), r3=1 << 32 | 1, msr=SF | ME | EE)
    g.finish()
    assert g.r(22) == 0x900


def test_a_large_decrementer_has_56_bits():
    g = Guest("mtspr 22,3\n mfspr 4,22\n mtspr 22,5\n mfspr 6,22\n sc 1", r3=1 << 40, r5=1 << 55)
    g.t.lpcr = LD
    g.finish()
    assert g.r(4) == (1 << 40) - 1
    assert g.r(6) == (1 << 55) - 1  # from the least number to the largest


@pytest.mark.parametrize(("lpcr", "bits"), [(0, 32), (LD, 56)])
def test_a_decrementer_that_wraps_to_positive_is_pending_no_more(lpcr, bits):
    text = "mtspr 22,3\n nop\n nop\n mtmsrd 4,1\n here: nop\n sc 1"
    for ticks, pending in ((2, False), (100, True)):
        g = Guest(with_vectors(text, 0x900), r3=(1 << bits - 1) + ticks, r4=EE)
        g.t.lpcr = lpcr
        if pending:
            g.finish()
            assert (g.r(22), g.r(20)) == (0x900, g.at("here"))
        else:
            assert g.run() is Exit.HCALL


def test_the_guest_timebase_has_the_sub_processors_offset():
    g = Guest("nop\n mftb 3\n mfspr 4,269\n sc 1")
    g.s.tb_offset = 5 << 32
    g.finish()
    assert (g.r(3), g.r(4)) == ((5 << 32) + 1, 5)


def test_the_decrementer_counts_guest_time():
    g = Guest(with_vectors("mtspr 22,3\n" + "nop\n" * 9, 0x900), r3=3, msr=SF | ME | EE)
    g.s.tb_offset = ALL - 2  # passes 0 on the way
    g.finish()
    assert g.r(22) == 0x900
    assert g.v.srr0 == 0x10000 + 4 * 4


def test_ic_and_purr_count_instructions_of_the_vcpu():
    g = Guest("nop\n mfspr 3,848\n mfspr 4,309\n mfspr 5,308\n sc 1")
    g.machine.state.tb = 1000
    g.v.purr_offset = 50
    g.finish()
    assert [g.r(n) for n in (3, 4, 5)] == [1, 52, 3]


def test_vtb_counts_host_time():
    g = Guest("mfspr 3,849\n sc 1")
    g.s.tb_offset, g.s.vtb_offset = 1 << 40, 7
    g.machine.state.tb = 100
    g.finish()
    assert g.r(3) == 107


def test_ee_lets_an_expired_decrementer_in_after_the_instruction_that_sets_it():
    g = Guest(with_vectors("mtspr 22,3\n nop\n nop\n mtmsrd 4,1\nafter: nop", 0x900), r3=0, r4=EE)
    g.finish()
    assert g.r(20) == g.at("after")
