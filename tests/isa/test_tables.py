"""Interrupts, hcalls, facilities and named bits: the tables against the facts they must state."""

from __future__ import annotations

import pytest

from emu.isa import hcalls, interrupts, msr
from emu.isa.facilities import FACILITIES


def test_vectors_and_names_are_unique():
    assert len(interrupts.BY_NAME) == len(interrupts.BY_VECTOR) == len(interrupts.INTERRUPTS)


def test_vectors_lie_below_0x1000_and_are_in_order():
    vectors = [row.vector for row in interrupts.INTERRUPTS]
    assert vectors == sorted(vectors)
    assert all(0x100 <= vector < 0x1000 and vector % 0x20 == 0 for vector in vectors)


def test_the_decrementer_comes_before_the_doorbell_and_external_before_both():
    order = [row.name for row in interrupts.asynchronous()]
    assert order.index("hypervisor_decrementer") < order.index("external")
    assert order.index("external") < order.index("decrementer") < order.index("doorbell")
    assert order.index("doorbell") < order.index("hypervisor_doorbell")


def test_hypervisor_interrupts_use_hsrr():
    for row in interrupts.INTERRUPTS:
        assert (row.save == "HSRR") == ("hypervisor" in row.title.lower()), row.name


def test_reset_and_machine_check_ignore_the_alternate_location():
    assert {row.name for row in interrupts.INTERRUPTS if not row.ail} == {
        "system_reset",
        "machine_check",
    }


@pytest.mark.parametrize(
    ("name", "number"),
    [("H_CEDE", 0xE0), ("H_PROD", 0xE8), ("H_CONFER", 0xE4), ("H_PUT_TERM_CHAR", 0x58),
     ("H_GET_TERM_CHAR", 0x54), ("H_SET_MODE", 0x31C), ("H_RANDOM", 0x300), ("H_EXIT", 0xF100),
     ("H_EOI", 0x64), ("H_XIRR", 0x74), ("H_XIRR_X", 0x2FC), ("H_REGISTER_VPA", 0xDC)],
)  # fmt: skip
def test_hcall_numbers(name, number):
    assert hcalls.BY_NAME[name].number == number
    assert hcalls.BY_NUMBER[number].name == name


def test_papr_hcall_numbers_are_multiples_of_four():
    numbers = [row.number for row in hcalls.HCALLS]
    assert numbers == sorted(set(numbers))
    assert all(number % 4 == 0 for number in numbers)


def test_an_hcall_fits_the_registers():
    for row in hcalls.HCALLS:
        assert len(row.arguments) <= 9
        assert len(row.results) <= 9


@pytest.mark.parametrize(
    ("register", "name", "mask"),
    [("MSR", "SF", 1 << 63), ("MSR", "HV", 1 << 60), ("MSR", "TS", 3 << 33),
     ("MSR", "EE", 0x8000), ("MSR", "PR", 0x4000), ("MSR", "FP", 0x2000), ("MSR", "ME", 0x1000),
     ("MSR", "IR", 0x20), ("MSR", "DR", 0x10), ("MSR", "RI", 2), ("MSR", "LE", 1),
     ("LPCR", "PECEDP", 0x10000), ("LPCR", "PECEDH", 0x8000), ("LPCR", "PECE0", 0x4000),
     ("LPCR", "PECE1", 0x2000), ("LPCR", "PECE2", 0x1000), ("LPCR", "MER", 0x800),
     ("LPCR", "LPES0", 8), ("LPCR", "LPES1", 4), ("LPCR", "HVICE", 2), ("LPCR", "HDICE", 1),
     ("LPCR", "HEIC", 0x10), ("LPCR", "LD", 0x20000), ("LPCR", "ILE", 0x2000000),
     ("LPCR", "AIL", 0x1800000), ("SRR1", "ILL", 0x80000), ("SRR1", "PRIV", 0x40000),
     ("SRR1", "TRAP", 0x20000), ("SRR1", "TM", 0x200000), ("HFSCR", "MSGP", 1 << 10),
     ("HFSCR", "IC", 0xFF << 56), ("FSCR", "TAR", 1 << 8), ("DBELL", "TYPE", 0x1F << 27),
     ("DBELL", "TIRTAG", 0x7F), ("XER", "CA32", 0x40000), ("XER", "OV32", 0x80000)],
)  # fmt: skip
def test_masks(register, name, mask):
    assert msr.mask(register, name) == mask


@pytest.mark.parametrize(
    ("name", "bits"),
    [("EXTERNAL", 0x200000), ("DECREMENTER", 0x180000), ("DOORBELL", 0x140000),
     ("HDOORBELL", 0x0C0000), ("HMI", 0x280000), ("RESET", 0x100000), ("HVIRT", 0x240000)],
)  # fmt: skip
def test_wake_codes_in_place(name, bits):
    assert msr.WAKE_CODES[name] << msr.field("SRR1", "WAKE").shift == bits


def test_an_enabling_bit_is_the_interruption_code_counted_from_the_right():
    for row in FACILITIES:
        for register, has in (("FSCR", row.fscr), ("HFSCR", row.hfscr)):
            if has:
                assert msr.mask(register, row.name) == 1 << row.ic


def test_fields_of_a_register_do_not_overlap():
    # SRR1 means different things after different interrupts, and so does a doorbell's tag.
    for register in msr.REGISTERS.keys() - {"SRR1", "DBELL"}:
        seen = 0
        for row in msr.REGISTERS[register]:
            assert not seen & row.mask, row
            seen |= row.mask


def test_describe_names_what_is_set():
    assert msr.describe("MSR", 0x8000000000001001) == "SF ME LE"
    assert msr.describe("LPCR", 0x1820000) == "AIL=3 LD"
    assert msr.describe("XER", 0) == "0"


def test_an_unknown_field_names_itself():
    with pytest.raises(KeyError, match=r"MSR\[NOPE\]"):
        msr.field("MSR", "NOPE")
