"""Where the book leaves a result undefined the core does what POWER9 hardware does.

One function a rule. The differential tests leave these cases out, because QEMU differs.
"""

from __future__ import annotations

import pytest

from emu.core.machine import Exit
from emu.isa.bits import bits
from emu.isa.interrupts import BY_NAME
from emu.isa.msr import mask
from emu.isa.table import INSNS, decode, encode

from .cases import LEFT_OUT, USER
from .machines import new_core

CODE = 0x8000
M64 = (1 << 64) - 1
SF = mask("MSR", "SF")
OV_SO_OV32 = mask("XER", "SO", "OV", "OV32")
EQUAL, GREATER, LESS = 2, 4, 8


class Thread:
    """A core with one instruction after another to run."""

    def __init__(self, *, msr=SF):
        """Start with all registers 0."""
        self.core = new_core(0x10000, msr=msr)
        self.v = self.core.vcpu[0]

    def run(self, word):
        """Run one word."""
        self.core.write(0, CODE, word.to_bytes(4, "big"))
        self.v.nia = CODE
        return self.core.run(0, 1)

    def execute(self, mnemonic, *operands, **registers):
        """Run one instruction with these registers; returns the vcpu."""
        for name, number in registers.items():
            if name.startswith("r") and name[1:].isdigit():
                self.v.gpr[int(name[1:])] = number & M64
            else:
                setattr(self.v, name, number)
        reason = self.run(encode(mnemonic, operands))
        assert reason is Exit.BUDGET, reason
        return self.v


@pytest.fixture
def thread():
    return Thread()


def cr0(v):
    """CR0 as four bits: LT GT EQ SO."""
    return bits(v.cr, 32, 35)


# ---- reserved bits -------------------------------------------------------------------------


def reserved_bits(variant):
    """Bits of a word that neither the opcode nor a field occupies."""
    fields = 0
    for operand in variant.operands:
        fields |= operand.field_mask
    return [bit for bit in range(32) if not (fields | variant.opcode_mask) >> bit & 1]


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_a_reserved_bit_does_not_change_the_instruction(row):
    for variant in row.variants:
        for bit in reserved_bits(variant):
            assert decode(variant.match & variant.opcode_mask | 1 << bit) is variant


@pytest.mark.parametrize(
    ("mnemonic", "operands", "bit"),
    [("mulhd", (3, 4, 5), 1 << 10), ("mulhwu", (3, 4, 5), 1 << 10), ("lbzx", (3, 4, 5), 1),
     ("isel", (3, 4, 5, 2), 1), ("crand", (0, 1, 2), 1), ("addi", (3, 4, 5), 0),
     ("cmpd", (4, 5), 1), ("mfcr", (3,), 1), ("cntlzd", (3, 4), 1 << 11), ("mcrf", (1, 2), 1)],
)  # fmt: skip
def test_a_reserved_bit_does_not_change_the_result(mnemonic, operands, bit):
    outcomes = []
    for extra in (0, bit):
        thread = Thread()
        thread.v.gpr[4], thread.v.gpr[5], thread.v.cr = 0x4321, 0x1234, 0x12345678
        assert thread.run(encode(mnemonic, operands) | extra) is Exit.BUDGET
        outcomes.append((list(thread.v.gpr), thread.v.cr, thread.v.xer, thread.v.nia))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("word", [0x00000000, 0x7C0007FE, 0x7C00003A, 0x4C0007FE, 0x04000000])
def test_a_word_that_names_no_instruction_is_the_hypervisors(thread, word):
    assert decode(word) is None
    assert thread.run(word) is Exit.EMUL_ASSIST
    assert thread.v.exit_word == word
    assert thread.v.nia == CODE


# ---- divide and multiply -------------------------------------------------------------------

DIVIDES = ["divw", "divwu", "divwe", "divweu", "divd", "divdu", "divde", "divdeu"]


@pytest.mark.parametrize("mnemonic", DIVIDES)
def test_a_division_by_zero_gives_zero_and_overflows(thread, mnemonic):
    v = thread.execute(mnemonic + "o.", 3, 4, 5, r3=77, r4=1234, r5=0)
    assert v.gpr[3] == 0
    assert v.xer == OV_SO_OV32
    assert cr0(v) == EQUAL | 1


@pytest.mark.parametrize(
    ("mnemonic", "dividend", "divisor"),
    [("divw", 0x80000000, M64), ("divd", 1 << 63, M64), ("divwe", 1, 1), ("divweu", 5, 5),
     ("divde", 1, 1), ("divdeu", 7, 7), ("divwe", -1, 1), ("divde", 1 << 63, M64)],
)  # fmt: skip
def test_an_overflowing_division_gives_zero(thread, mnemonic, dividend, divisor):
    v = thread.execute(mnemonic + ".", 3, 4, 5, r3=77, r4=dividend, r5=divisor)
    assert v.gpr[3] == 0
    assert cr0(v) == EQUAL
    assert v.xer == 0
    v = thread.execute(mnemonic + "o", 3, 4, 5)
    assert (v.gpr[3], v.xer) == (0, OV_SO_OV32)


@pytest.mark.parametrize("mnemonic", ["modsw", "moduw", "modsd", "modud"])
def test_a_remainder_of_a_division_by_zero_is_zero(thread, mnemonic):
    assert thread.execute(mnemonic, 3, 4, 5, r3=77, r4=1234, r5=0).gpr[3] == 0


def test_a_multiply_high_word_puts_the_result_in_both_halves(thread):
    v = thread.execute("mulhw.", 3, 4, 5, r4=-2, r5=1 << 30)
    assert v.gpr[3] == 0xFFFFFFFF_FFFFFFFF
    v = thread.execute("mulhw", 3, 4, 5, r4=0x12345678, r5=0x7FFFFFFF)
    assert v.gpr[3] == 0x091A2B3B_091A2B3B
    v = thread.execute("mulhwu.", 3, 4, 5, r4=0xFFFFFFFF, r5=0xFFFFFFFF)
    assert v.gpr[3] == 0xFFFFFFFE_FFFFFFFE
    assert cr0(v) == LESS


@pytest.mark.parametrize(
    ("mnemonic", "dividend", "divisor", "result"),
    [("divw", -7, 2, 0xFFFFFFFD), ("divwu", 0xFFFFFFFF, 1, 0xFFFFFFFF),
     ("divwe", -1, 4, 0xC0000000), ("divweu", 1, 2, 0x80000000)],
)  # fmt: skip
def test_a_word_quotient_is_zero_extended(thread, mnemonic, dividend, divisor, result):
    v = thread.execute(mnemonic + ".", 3, 4, 5, r4=dividend, r5=divisor)
    assert v.gpr[3] == result
    assert cr0(v) == GREATER  # of all 64 bits


def test_a_signed_word_remainder_is_sign_extended_and_an_unsigned_one_zero_extended(thread):
    assert thread.execute("modsw", 3, 4, 5, r4=-7, r5=4).gpr[3] == -3 & M64
    assert thread.execute("moduw", 3, 4, 5, r4=-2, r5=0xFFFFFFFF).gpr[3] == 0xFFFFFFFE


# ---- registers -----------------------------------------------------------------------------


def test_xer_keeps_the_bits_that_hardware_has(thread):
    v = thread.execute("mtspr", 1, 4, r4=M64)
    assert v.xer == 0xE00FFFFF
    assert thread.execute("mfspr", 3, 1).gpr[3] == 0xE00FFFFF


@pytest.mark.parametrize(
    ("fxm", "field"), [(0, 7), (0x80, 0), (0x01, 7), (0xFF, 0), (0x18, 3), (0x05, 5)]
)
def test_mtocrf_and_mfocrf_act_on_the_leftmost_field_of_the_mask_or_on_cr7(thread, fxm, field):
    place = 4 * (7 - field)
    thread.v.gpr[4], thread.v.cr = 0x123456789ABCDEF0, 0
    thread.run(decode(0x7C100120).match | 4 << 21 | fxm << 12)
    assert thread.v.cr == 0x9ABCDEF0 & 0xF << place
    thread.v.cr = 0x89ABCDEF
    thread.run(decode(0x7C100026).match | 3 << 21 | fxm << 12)
    assert thread.v.gpr[3] == 0x89ABCDEF & 0xF << place


def test_icbt_and_sync_with_an_odd_l_do_nothing(thread):
    before = list(thread.v.gpr)
    assert thread.run(0x7C00002C) is Exit.BUDGET  # icbt 0,r0,r0
    for level in range(4):
        assert thread.run(0x7C0004AC | level << 21) is Exit.BUDGET
    assert list(thread.v.gpr) == before


# ---- problem state and real mode -----------------------------------------------------------


@pytest.mark.parametrize("way", ["rfid", "mtmsrd"])
def test_entering_problem_state_forces_ee_ir_and_dr(thread, way):
    wanted = SF | mask("MSR", "PR")
    if way == "rfid":
        v = thread.execute("rfid", srr0=CODE + 4, srr1=wanted)
    else:
        v = thread.execute("mtmsrd", 4, 0, r4=wanted)
    assert v.msr == wanted | mask("MSR", "EE", "IR", "DR")
    assert v.nia == CODE + 4


@pytest.mark.parametrize("names", [(), ("IR", "DR"), ("DR",)])
def test_an_effective_address_is_its_real_address_and_its_first_four_bits_do_not_count(names):
    thread = Thread(msr=SF | mask("MSR", *names))
    thread.core.write(0, 0x4000, bytes(range(8)))
    for high in (0, 0x5 << 60, 0xC << 60):
        v = thread.execute("ld", 3, 0, 4, r3=0, r4=high | 0x4000)
        assert v.gpr[3] == 0x0001020304050607


def test_an_address_outside_the_partition_is_a_data_storage_interrupt(thread):
    thread.v.gpr[4] = 0x10000
    thread.v.xer = 0
    assert thread.run(encode("std", (3, 0, 4))) is Exit.UNHANDLED
    assert thread.v.trap_vector == BY_NAME["data_storage"].vector
    assert thread.v.trap_dar == 0x10000
    assert thread.v.trap_dsisr == mask("DSISR", "NO_TRANSLATION", "STORE")


def test_the_cases_leave_out_only_what_they_say():
    chapters = {variant.mnemonic for variant in USER} | set(LEFT_OUT)
    problem = {
        variant.mnemonic
        for row in INSNS
        if row.privilege == "problem" and not row.section.startswith("III")
        for variant in row.variants
    }
    assert problem == chapters
