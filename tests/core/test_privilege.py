"""Who may do what: problem state, facilities, special purpose registers, and the MSR."""

from __future__ import annotations

import pytest

from emu.core.machine import Exit
from emu.isa.facilities import BY_NAME
from emu.isa.msr import mask
from emu.isa.sprs import SPRS
from emu.isa.table import INSNS, VARIANTS

from .guest import ALL, DR, EE, FP, HV, IR, ME, PR, RI, SF, Guest, with_vectors

PRIV, ILL = mask("SRR1", "PRIV"), mask("SRR1", "ILL")
PROGRAM = 0x700
PRIVILEGED = [row for row in INSNS if row.privilege == "privileged"]
HYPERVISOR = [row for row in INSNS if row.privilege == "hypervisor"]


def image(row):
    return f".long {row.match:#x}"


def spr_word(extended, number, register=5):
    return 31 << 26 | register << 21 | (number & 31) << 16 | number >> 5 << 11 | extended << 1


def mfspr(number):
    return f".long {spr_word(339, number):#x}"


def mtspr(number):
    return f".long {spr_word(467, number):#x}"


def refused(text, cause, **options):
    """The program's first instruction is a program interrupt with this cause."""
    guest = Guest(with_vectors(text, PROGRAM), **options)
    guest.finish()
    assert guest.r(22) == PROGRAM
    assert guest.r(20) == 0x10000
    assert guest.r(21) & (PRIV | ILL | mask("SRR1", "TRAP")) == cause
    return guest


def generation_of(row):
    return row.until or 9


@pytest.mark.parametrize("row", PRIVILEGED + HYPERVISOR, ids=lambda row: row.name)
def test_problem_state_may_not(row):
    g = refused(image(row), PRIV, msr=SF | ME | PR | EE, generation=generation_of(row))
    assert g.r(21) == SF | ME | PR | EE | PRIV


@pytest.mark.parametrize("row", HYPERVISOR, ids=lambda row: row.name)
def test_a_guest_kernel_may_not_do_what_is_the_hypervisors(row):
    refused(image(row), PRIV, generation=generation_of(row))


def test_hv_cannot_be_had():
    g = Guest("mtmsrd 3\n mfmsr 4\n sc 1", r3=SF | HV | EE, msr=SF | ME | HV).finish()
    assert g.r(4) & HV == 0
    g = Guest("lis 4,1f@h\n ori 4,4,1f@l\n mtspr 26,4\n mtspr 27,3\n rfid\n1: mfmsr 4\n sc 1",
              r3=SF | HV).finish()  # fmt: skip
    assert g.r(4) & HV == 0


@pytest.mark.parametrize("name", ["msgsndp 3", "msgclrp 3", "mfspr 4,446", "mfspr 4,176"])
@pytest.mark.parametrize("generation", [8, 9])
def test_without_hfscr_msgp_doorbells_go_to_the_hypervisor(name, generation):
    g = Guest(f"nop\nhere: {name}", generation=generation, r3=5 << 27, r4=77)
    g.t.hfscr &= ~mask("HFSCR", "MSGP")
    assert g.run() is Exit.HFAC_UNAVAIL
    assert g.t.hfscr >> 56 == BY_NAME["MSGP"].ic
    assert (g.v.nia, g.t.hsrr0, g.t.hsrr1) == (g.at("here"), g.at("here"), SF | ME)
    assert g.v.exit_word == g.word(g.at("here"))
    assert (g.r(4), g.s.dpdes) == (77, 0)


@pytest.mark.parametrize("name", ["msgsndp 3", "mfspr 4,446"])
def test_privilege_is_checked_before_the_facility(name):
    g = Guest(with_vectors(name, PROGRAM), msr=SF | ME | PR)
    g.t.hfscr = 0
    g.finish()
    assert g.r(21) & PRIV


@pytest.mark.parametrize("name", ["msgsndp 3", "mfspr 4,176"])
def test_power7_has_no_doorbells(name):
    g = Guest(with_vectors(f"{name}\n sc 1", PROGRAM), generation=7, r4=77)
    g.t.hfscr = 0
    g.finish()
    if name.startswith("msg"):
        assert g.r(21) & ILL
    else:
        assert g.r(4) == 77, "an SPR that does not exist is not moved"


@pytest.mark.parametrize(("text", "ic"), [("mtspr 815,3", 8), ("mfspr 3,815", 8), ("bctar 20,0", 8),
                                          ("mfspr 3,3", 2), ("mfspr 3,806", 7)])  # fmt: skip
def test_fscr_governs_problem_state(text, ic):
    g = Guest(with_vectors(text, 0xF60), msr=SF | ME | PR)
    g.v.fscr = 0
    g.finish()
    assert (g.r(22), g.v.fscr >> 56) == (0xF60, ic)
    g = Guest(f"{text}\n sc 1", r3=0x10004)
    g.v.tar, g.v.fscr = 0x10004, 0
    g.finish()


def test_hfscr_governs_fscrs_facilities_too():
    g = Guest("bctar 20,0")
    g.t.hfscr &= ~mask("HFSCR", "TAR")
    assert g.run() is Exit.HFAC_UNAVAIL
    assert g.t.hfscr >> 56 == BY_NAME["TAR"].ic


# ---- special purpose registers


def rows(direction, generation):
    """Rows of one direction that a generation has."""
    return [row for row in SPRS if getattr(row, direction) and row.exists_on(generation)]


@pytest.mark.parametrize("generation", [7, 8, 9])
@pytest.mark.parametrize(("direction", "move"), [("read", mfspr), ("write", mtspr)])
@pytest.mark.parametrize("problem", [False, True])
def test_every_spr_is_there_for_those_who_may(generation, direction, move, problem):
    msr = SF | ME | (PR if problem else 0)
    allowed = {"problem"} if problem else {"problem", "privileged"}
    for row in rows(direction, generation):
        g = Guest(with_vectors(f"{move(row.number)}\n sc 1", PROGRAM, 0xC00), msr=msr,
                  generation=generation)  # fmt: skip
        assert g.run() is Exit.HCALL, row.name
        access = getattr(row, direction)
        if access in allowed:
            assert g.r(22) in (0, 0xC00), row.name
        else:
            assert (g.r(22), g.r(21) & (PRIV | ILL)) == (PROGRAM, PRIV), row.name


PLAIN = [
    row
    for row in rows("write", 9)
    if not row.special and row.read and row.write != "hypervisor"
    and row.name not in ("fscr", "lr", "ctr")
]  # fmt: skip


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.name)
def test_a_plain_spr_keeps_what_is_written(row):
    g = Guest(f"{mtspr(row.number)}\n li 5,0\n {mfspr(row.number)}\n sc 1", r5=ALL - 6).finish()
    assert g.r(5) == (ALL - 6) & ((1 << row.width) - 1)
    area, _, field = row.home.partition(".")
    assert getattr(getattr(g.machine, area)[0], field) == g.r(5)


def test_sprg3_can_be_read_in_problem_state():
    g = Guest(with_vectors("mfspr 4,259\n sc", 0xC00), msr=SF | ME | PR)
    g.v.sprg3 = 33
    assert g.finish().r(4) == 33


@pytest.mark.parametrize("number", [2, 17 + 64, 999, 1000])
def test_an_undefined_spr_is_a_no_op_for_a_kernel(number):
    g = Guest(f"{mfspr(number)}\n {mtspr(number)}\n sc 1", r5=55).finish()
    assert g.r(5) == 55


@pytest.mark.parametrize("number", [0, 4, 5, 6])
def test_reading_reserved_numbers_is_illegal(number):
    assert Guest(mfspr(number)).run() is Exit.EMUL_ASSIST


def test_writing_spr_0_is_illegal():
    assert Guest(mtspr(0)).run() is Exit.EMUL_ASSIST


@pytest.mark.parametrize(("number", "privileged"), [(999, False), (1000, False), (1016, True)])
def test_an_undefined_spr_in_problem_state_depends_on_its_number(number, privileged):
    g = Guest(with_vectors(mfspr(number), PROGRAM), msr=SF | ME | PR)
    if privileged:
        assert g.finish().r(21) & PRIV
    else:
        assert g.run() is Exit.EMUL_ASSIST


def test_with_evirt_undefined_sprs_go_to_the_hypervisor():
    g = Guest(mfspr(999))
    g.t.lpcr = mask("LPCR", "EVIRT")
    assert g.run() is Exit.EMUL_ASSIST


def test_xer_keeps_its_bits():
    g = Guest("mtxer 3\n mfxer 4\n sc 1", r3=ALL).finish()
    assert g.r(4) == 0xE00FFFFF


def test_halves_of_registers():
    g = Guest(f"{mtspr(896)}\n li 5,9\n {mtspr(898)}\n {mfspr(896)}\n sc 1", r5=0x1111111122222222)
    assert g.finish().r(5) == 0x922222222
    g = Guest(f"{mtspr(806)}\n li 5,6\n {mtspr(800)}\n li 5,2\n {mtspr(802)}\n"
              f" li 5,1\n {mtspr(801)}\n {mfspr(806)}\n sc 1", r5=1).finish()  # fmt: skip
    assert g.r(5) == 1 << 32 | 5


def test_tir_pir_and_pvr_are_the_threads_own():
    g = Guest("mfspr 3,446\n mfspr 4,1023\n mfspr 5,287\n sc 1")
    g.t.tir, g.t.pir, g.v.pvr = 3, 77, 0x004E1202
    g.finish()
    assert [g.r(n) for n in (3, 4, 5)] == [3, 77, 0x004E1202]


# ---- the MSR


def test_rfid_to_problem_state_forces_ee_ir_and_dr():
    g = Guest(with_vectors("mtspr 27,3\n lis 4,1\n ori 4,4,0x100\n mtspr 26,4\n rfid\n"
                           ".org 0x10100\n sc", 0xC00), r3=SF | PR)  # fmt: skip
    g.finish()
    assert g.r(21) == SF | PR | ME | EE | IR | DR


def test_mtmsrd_to_problem_state_forces_them_too():
    g = Guest(with_vectors("mtmsrd 3\n sc", 0xC00), r3=SF | PR).finish()
    assert g.r(21) == SF | PR | ME | EE | IR | DR


def test_mtmsrd_with_l_changes_ee_and_ri_alone():
    g = Guest("mtmsrd 3,1\n mfmsr 4\n mtmsrd 5,1\n mfmsr 6\n sc 1", r3=ALL, msr=SF | ME).finish()
    assert (g.r(4), g.r(6)) == (SF | ME | EE | RI, SF | ME)


def test_mtmsr_changes_the_low_word_alone():
    g = Guest("mtmsr 3\n mfmsr 4\n sc 1", r3=FP | RI, msr=SF | ME).finish()
    assert g.r(4) == SF | ME | FP | RI


def test_mtmsrd_leaves_me():
    g = Guest("mtmsrd 3\n mfmsr 4\n sc 1", r3=SF, msr=SF | ME).finish()
    assert g.r(4) == SF | ME


def test_bits_that_the_msr_does_not_have_stay_0():
    known = mask("MSR", "SF", "VEC", "VSX", "EE", "FP", "ME", "FE0", "FE1", "IR", "DR", "PMM", "RI")
    g = Guest("mtmsrd 3\n mfmsr 4\n sc 1", r3=ALL & ~(PR | mask("MSR", "SE", "BE", "LE"))).finish()
    assert g.r(4) == known


def test_rfid_clears_the_low_bits_of_its_target():
    g = Guest("mfmsr 3\n mtspr 27,3\n lis 4,1\n ori 4,4,0x103\n mtspr 26,4\n rfid\n"
              ".org 0x10100\n bl 1f\n1: mflr 5\n sc 1").finish()  # fmt: skip
    assert g.r(5) == 0x10104


def test_stop_leaves_the_guest_after_it():
    g = Guest("stop\nafter: nop")
    assert g.run() is Exit.STOP
    assert g.v.nia == g.at("after")


def test_every_variant_is_decoded_by_the_core_as_by_the_table():
    """With its opcode alone each variant does something else than an unknown word would."""
    for variant in VARIANTS.values():
        row = variant.insn
        # With all operands 0 these name SPR 0, or a pair that overlaps its address.
        if row.privilege == "hypervisor" or row.name in ("mtspr", "mfspr", "mftb", "lq", "lqarx"):
            continue
        g = Guest(f".long {variant.match:#x}\n sc 1", generation=generation_of(row))
        assert g.run(1) is not Exit.EMUL_ASSIST, variant.mnemonic
