"""Interrupts that the guest takes itself: save registers, MSR, vector, and who comes first."""

from __future__ import annotations

import pytest

from emu.core.machine import Deed, Exit
from emu.isa.interrupts import AIL3_BASE
from emu.isa.msr import mask

from .guest import BE, DR, EE, FP, IR, LE, ME, PR, RI, SE, SF, Guest, with_vectors

ILL, PRIV, TRAP = (mask("SRR1", name) for name in ("ILL", "PRIV", "TRAP"))
NO_TRANSLATION = mask("SRR1", "NO_TRANSLATION")
AIL3 = mask("LPCR", "AIL")
ILE = mask("LPCR", "ILE")


def taken(text, number, **options):
    """Run a program whose instruction `here` interrupts at this vector."""
    guest = Guest(with_vectors(text, number), **options)
    guest.finish()
    assert guest.r(22) == number
    return guest


def test_system_call_saves_the_next_address_and_the_msr():
    g = taken("sc\nafter: nop", 0xC00, msr=SF | ME | RI)
    assert (g.r(20), g.r(21)) == (g.at("after"), SF | ME | RI)


def test_an_interrupt_leaves_only_sf_and_me_on():
    g = taken("sc", 0xC00, msr=SF | ME | EE | PR | FP | IR | DR | RI)
    assert g.r(23) == SF | ME


def test_an_interrupt_from_32_bit_mode_enters_64_bit_mode():
    g = taken("sc", 0xC00, msr=ME)
    assert g.r(23) == SF | ME
    assert g.r(21) == ME


@pytest.mark.parametrize("generation", [7, 8, 9])
def test_sc_1_from_problem_state_is_reflected_to_the_guest(generation):
    g = taken("sc 1\nafter: nop", 0xC00, msr=SF | ME | PR | EE, generation=generation)
    assert g.r(20) == g.at("after")


@pytest.mark.parametrize(
    "words",
    ["tdi 4,3,5", "twi 31,0,0", "tdgei 3,5", "tweqi 3,5", "trap", "li 4,5; td 4,3,4", "tdlgei 3,5"],
)
def test_a_trap_is_a_program_interrupt_at_the_trap(words):
    g = taken(f"{words}\nafter: nop", 0x700, r3=5)
    assert (g.r(20), g.r(21)) == (g.at("after") - 4, SF | ME | TRAP)


@pytest.mark.parametrize(
    ("a", "b", "to"),
    [(-1, 1, 16), (1, -1, 8), (7, 7, 4), (1, -1, 2), (-1, 1, 1)],
)
@pytest.mark.parametrize("width", ["w", "d"])
def test_each_trap_condition_is_its_own(a, b, to, width):
    g = taken(f"t{width} {to},3,4", 0x700, r3=a, r4=b)
    assert g.r(21) & TRAP
    signed = {16: a < b, 8: a > b, 4: a == b}
    unsigned = {2: a % 2**64 < b % 2**64, 1: a % 2**64 > b % 2**64}
    silent = sum(bit for bit, holds in (signed | unsigned).items() if not holds)
    Guest(f"t{width} {silent},3,4\n sc 1", r3=a, r4=b).finish()


def test_word_traps_look_at_the_low_words():
    Guest("tweq 3,4\n tdne 5,5\n sc 1", r3=1 << 40, r4=1).finish()
    taken("tweq 3,4", 0x700, r3=(1 << 40) + 1, r4=1)


@pytest.mark.parametrize(
    "access", ["ld 5,0(3)", "lbz 5,0(3)", "ldx 5,0,3", "lwarx 5,0,3", "lmw 30,0(3)"]
)
def test_a_load_outside_the_partition_is_a_data_storage_interrupt(access):
    g = taken(access, 0x300, r3=1 << 40, dar=1, dsisr=1)
    assert (g.r(20), g.r(21)) == (g.at("_start"), SF | ME)
    assert (g.v.dar, g.v.dsisr) == (1 << 40, mask("DSISR", "NO_TRANSLATION"))


@pytest.mark.parametrize(
    "access", ["std 5,0(3)", "stb 5,0(3)", "stdx 5,0,3", "stdcx. 5,0,3", "stmw 30,0(3)", "dcbz 0,3"]
)
def test_a_store_outside_the_partition_says_so_in_dsisr(access):
    g = taken(access, 0x300, r3=1 << 40)
    assert (g.v.dar, g.v.dsisr) == (1 << 40, mask("DSISR", "NO_TRANSLATION", "STORE"))


def test_dar_is_the_first_byte_that_is_not_there():
    g = taken("std 5,0(3)", 0x300, r3=(1 << 20) - 3, r5=-1)
    assert g.v.dar == 1 << 20
    assert g.word((1 << 20) - 4) == 0, "nothing is stored"


def test_a_load_that_interrupts_changes_no_register():
    g = taken("ldu 5,8(3)", 0x300, r3=1 << 40, r5=77)
    assert (g.r(3), g.r(5)) == (1 << 40, 77)


def test_a_fetch_outside_the_partition_is_an_instruction_storage_interrupt():
    g = taken("mtctr 3\n bctr", 0x400, r3=1 << 40)
    assert (g.r(20), g.r(21)) == (1 << 40, SF | ME | NO_TRANSLATION)


def test_running_off_the_end_of_memory_is_one_too():
    g = Guest(".org 0x400\n mfspr 20,26\n sc 1\n.org 0x1ffc\n_start: nop", memory=0x2000).finish()
    assert g.r(20) == 0x2000


@pytest.mark.parametrize("access", ["lwarx 5,0,3", "stwcx. 5,0,3", "lharx 5,0,3", "ldarx 5,0,3",
                                    "stdcx. 5,0,3", "sthcx. 5,0,3", "lqarx 6,0,3",
                                    "stqcx. 6,0,3"])  # fmt: skip
def test_an_unaligned_reservation_is_an_alignment_interrupt(access):
    g = taken(access, 0x600, r3=0x20001)
    assert (g.r(20), g.r(21), g.v.dar) == (g.at("_start"), SF | ME, 0x20001)


@pytest.mark.parametrize("access", ["lmw 30,0(3)", "stmw 30,0(3)", "lswi 5,3,4", "stswi 5,3,4",
                                    "lswx 5,0,3", "stswx 5,0,3"])  # fmt: skip
def test_multiple_and_string_accesses_do_not_exist_in_little_endian(access):
    text = f".org 0x600\n mfspr 20,26\n sc 1\n.org 0x10000\n_start: {access}"
    g = Guest(text, little=True, r3=0x20000)
    g.t.lpcr = ILE
    g.finish()
    assert (g.r(20), g.v.dar) == (0x10000, 0x20000)


@pytest.mark.parametrize(
    ("word", "number"),
    [("fadd 1,2,3", 0x800), ("lfd 1,0(3)", 0x800), ("stfdx 1,0,3", 0x800), ("vaddubm 1,2,3", 0xF20),
     ("lvx 1,0,3", 0xF20), ("xxlor 1,2,3", 0xF40), ("lxvd2x 1,0,3", 0xF40)],
)  # fmt: skip
def test_a_facility_that_is_left_out_interrupts_while_its_msr_bit_is_0(word, number):
    images = {
        "fadd 1,2,3": 0xFC22182A, "lfd 1,0(3)": 0xC8230000, "stfdx 1,0,3": 0x7C201DAE,
        "vaddubm 1,2,3": 0x10221800, "lvx 1,0,3": 0x7C2018CE, "xxlor 1,2,3": 0xF0221C90,
        "lxvd2x 1,0,3": 0x7C201E98,
    }  # fmt: skip
    g = taken(f".long {images[word]:#x}", number)
    assert (g.r(20), g.r(21)) == (g.at("_start"), SF | ME)


def test_floating_point_with_fp_on_is_an_unknown_word():
    g = Guest(".long 0xfc22182a", msr=SF | ME | FP)
    assert g.run() is Exit.EMUL_ASSIST


@pytest.mark.parametrize("generation", [8, 9])
def test_an_unknown_word_goes_to_the_hypervisor(generation):
    g = Guest("nop\nhere: .long 0x1c", generation=generation, msr=SF | ME | RI)
    assert g.run() is Exit.EMUL_ASSIST
    assert (g.v.nia, g.v.exit_word, g.t.heir) == (g.at("here"), 0x1C, 0x1C)
    assert (g.t.hsrr0, g.t.hsrr1) == (g.at("here"), SF | ME | RI)


def test_an_unknown_word_on_power7_is_a_program_interrupt():
    g = taken(".long 0x1c", 0x700, generation=7)
    assert (g.r(20), g.r(21)) == (g.at("_start"), SF | ME | ILL)


def test_an_instruction_of_a_later_generation_is_an_unknown_word():
    for generation, reason in ((8, Exit.EMUL_ASSIST), (9, Exit.HCALL)):
        assert Guest("modsd 3,4,5\n sc 1", generation=generation).run() is reason


def test_the_hypervisor_makes_a_guest_take_an_interrupt_at_its_nia():
    g = Guest(with_vectors("nop", 0x700), msr=SF | ME | EE)
    g.machine.interrupt(0, 0x700, ILL)
    assert (g.v.nia, g.v.srr0, g.v.srr1, g.v.msr) == (0x700, 0x10000, SF | ME | EE | ILL, SF | ME)


# ---- where it goes


def test_ile_makes_interrupts_little_endian():
    text = ".org 0xc00\n mfmsr 23\n sc 1\n.org 0x10000\n_start: sc"
    g = Guest(text, little=True)
    g.t.lpcr = ILE
    g.finish()
    assert g.r(23) == SF | ME | LE


def test_without_ile_interrupts_are_big_endian():
    g = Guest(with_vectors("nop", 0xC00))
    g.machine.write(0, 0x10000, bytes.fromhex("02000044"))  # sc, stored backwards
    g.v.msr |= LE
    g.finish()
    assert g.r(23) == SF | ME


@pytest.mark.parametrize("translation", [IR | DR, IR, DR, 0])
def test_ail_3_moves_vectors_if_both_relocations_are_on(translation):
    moved = translation == IR | DR
    text = (
        ".org 0xc00\n li 22,0\n sc 1\n"
        ".org 0x4c00\n li 22,1\n mfmsr 23\n sc 1\n"
        ".org 0x10000\n_start: sc"
    )
    g = Guest(text, msr=SF | ME | translation)
    g.t.lpcr = AIL3
    g.finish()
    assert g.r(22) == moved
    if moved:
        assert g.v.nia == AIL3_BASE + 0xC0C
        assert g.r(23) == SF | ME | IR | DR


def test_high_address_bits_0_to_3_are_ignored():
    g = Guest("ld 5,0(3)\n std 5,8(3)\n bl 1f\n1: mflr 6\n sc 1", r3=0xF << 60 | 0x20000)
    g.machine.write(0, 0x20000, (99).to_bytes(8, "big"))
    g.v.nia |= 0xC << 60
    g.finish()
    assert g.r(5) == g.word(0x20008, 8) == 99
    assert g.r(6) == 0xC << 60 | 0x1000C


# ---- nobody handles it


def test_a_vector_that_holds_0_ends_the_run_as_before_the_interrupt():
    g = Guest("nop\nhere: ld 5,0(3)", r3=1 << 40, msr=SF | ME | RI)
    assert g.run() is Exit.UNHANDLED
    assert (g.v.nia, g.v.msr, g.v.srr0, g.v.dar) == (g.at("here"), SF | ME | RI, 0, 0)
    assert (g.v.trap_vector, g.v.trap_srr1) == (0x300, SF | ME | RI)
    assert (g.v.trap_dar, g.v.trap_dsisr) == (1 << 40, mask("DSISR", "NO_TRANSLATION"))


def test_a_vector_outside_a_tiny_memory_is_not_handled_either():
    g = Guest(".org 0x100\n_start: sc", memory=0x1000, msr=SF | ME | IR | DR)
    g.t.lpcr = AIL3
    assert g.run() is Exit.UNHANDLED
    assert g.v.trap_vector == 0xC00


def test_an_asynchronous_interrupt_can_be_unhandled_and_stays_pending():
    g = Guest("b .", msr=SF | ME | EE)
    g.s.dpdes = 1
    assert g.run() is Exit.UNHANDLED
    assert (g.v.trap_vector, g.s.dpdes, g.v.ic) == (0xA00, 1, 0)


@pytest.mark.parametrize(
    ("vector", "word"), [(0x700, "trap"), (0x700, "tdi 31,0,5"), (0x300, "ld 5,0(3)")]
)
def test_a_handler_whose_first_instruction_brings_it_back_is_none(vector, word):
    g = Guest(f".org {vector:#x}\n{word}\n.org 0x10000\n_start: nop\n{word}", r3=1 << 40)
    assert g.run() is Exit.UNHANDLED
    assert g.v.nia == vector
    assert (g.v.trap_vector, g.v.srr0) == (vector, 0x10004)


def test_a_handler_may_cause_its_interrupt_once_in_another_state():
    """Entered with MSR[LE], the word at the vector is another one."""
    g = Guest(
        """
        .org 0x700
        trap
        _start: mtspr 27,7
        rfid""",
        r7=SF | ME | IR,
    )
    g.v.srr0 = 0x700
    g.run()
    assert (g.v.nia, g.v.trap_vector, g.v.srr1 & IR) == (0x700, 0x700, IR)


# ---- asynchronous: order and masks

PENDING = {0x500: "external", 0x900: "decrementer", 0xA00: "doorbell"}


def pend(guest, *kinds):
    if "external" in kinds:
        guest.v.external_pending = 1
    if "decrementer" in kinds:
        guest.v.dec_armed, guest.v.dec_expires = 1, 0
    if "doorbell" in kinds:
        guest.s.dpdes = 1


@pytest.mark.parametrize("number", PENDING)
def test_a_pending_interrupt_waits_for_ee(number):
    g = Guest(with_vectors("li 5,1\n mtmsrd 6,1\nhere: li 5,2", number), r6=EE | RI)
    pend(g, PENDING[number])
    g.finish()
    assert (g.r(22), g.r(5), g.r(20)) == (number, 1, g.at("here"))
    assert g.r(21) == SF | ME | EE | RI


@pytest.mark.parametrize("number", PENDING)
def test_it_comes_before_the_first_instruction_if_ee_is_on(number):
    g = Guest(with_vectors("li 5,1", number), msr=SF | ME | EE)
    pend(g, PENDING[number])
    g.finish()
    assert (g.r(5), g.r(20)) == (0, 0x10000)


def test_external_comes_before_decrementer_before_doorbell():
    order = "mfspr 4,272\n rldicr 4,4,8,55\n ori 4,4,{0}\n mtspr 272,4\n{1} rfid\n"
    text = (
        ".org 0x500\n" + order.format(5, " mfspr 7,27\n rldicl 7,7,0,0\n mtspr 27,7\n sc 1\n")
        + ".org 0x900\n" + order.format(9, " lis 4,0x7fff\n mtspr 22,4\n")
        + ".org 0xa00\n" + order.format(10, "")
        + ".org 0x10000\n_start: mfspr 3,272\n sc 1\n"
    )  # fmt: skip
    g = Guest(text, msr=SF | ME | EE)
    pend(g, *PENDING.values())
    g.finish()  # the external handler asks the hypervisor to withdraw its interrupt
    g.v.external_pending = 0
    g.finish()
    assert g.r(3) == 0x05090A


def test_lpcr_mer_is_a_virtual_external_interrupt():
    g = Guest(with_vectors("nop", 0x500), msr=SF | ME | EE)
    g.t.lpcr = mask("LPCR", "MER")
    g.finish()
    assert g.r(22) == 0x500


def test_taking_a_doorbell_clears_the_own_bit_only():
    g = Guest(with_vectors("nop", 0xA00), nvcpus=4, msr=SF | ME | EE)
    g.s.dpdes = 0b1111
    for n in range(1, 4):
        g.machine.thread[n].subproc = 0
    assert g.run(thread=2) is Exit.HCALL
    assert g.s.dpdes == 0b1011


def test_the_decrementer_stays_pending():
    g = Guest(
        ".org 0x900\n addi 22,22,1\n cmpdi 22,3\n beq 1f\n rfid\n1: sc 1\n"
        ".org 0x10000\n_start: b .",
        msr=SF | ME | EE,
    )
    pend(g, "decrementer")
    g.finish()
    assert g.r(22) == 3


# ---- the hypervisor's own


@pytest.mark.parametrize("msr", [SF | ME, SF | ME | EE])
@pytest.mark.parametrize(
    ("arrange", "reason"),
    [("hdoorbell", Exit.H_DOORBELL), ("xics_ipi", Exit.EXTERNAL), ("hdec", Exit.HDEC)],
)
def test_the_hypervisor_is_interrupted_for_whatever_ee_says(msr, arrange, reason):
    g = Guest("b .", msr=msr)
    if arrange == "hdec":
        g.t.lpcr = mask("LPCR", "HDICE")
    else:
        setattr(g.t, arrange, 1)
    assert g.run() is reason
    assert (g.v.nia, g.v.ic) == (0x10000, 0)


def test_taking_a_hypervisor_doorbell_clears_it():
    g = Guest("b .")
    g.t.hdoorbell = 1
    assert g.run() is Exit.H_DOORBELL
    assert g.run() is Exit.BUDGET


def test_hdec_fires_at_its_time_to_the_instruction():
    g = Guest("b .")
    g.t.lpcr, g.t.hdec_expires = mask("LPCR", "HDICE"), 37
    assert g.run(1000) is Exit.HDEC
    assert (g.machine.state.tb, g.v.ic) == (37, 37)


def test_without_hdice_hdec_is_silent():
    g = Guest("b .")
    assert g.run(10) is Exit.BUDGET


# ---- trace: SE and BE of the MSR


def trace_handler():
    return ".org 0xd00\n mfspr 9,26\n stdu 9,8(8)\n addi 10,10,1\n rfid\n"


def test_se_traces_every_instruction_but_rfid():
    text = (
        trace_handler()
        + ".org 0x10000\n_start: li 3,1\na: li 4,2\nb: b 1f\n nop\n1: li 5,3\nc: sc 1"
    )
    g = Guest(text, msr=SF | ME | SE, r8=0x20000)
    g.finish()
    assert g.r(10) == 4
    addresses = [g.word(0x20008 + 8 * i, 8) for i in range(4)]
    assert addresses == [g.at("a"), g.at("b"), g.at("c") - 4, g.at("c")]


def test_be_traces_branches_taken_or_not():
    text = (
        trace_handler()
        + ".org 0x10000\n_start: li 3,1\n cmpdi 3,2\n beq 1f\na: b 1f\n nop\n1: sc 1"
    )
    g = Guest(text, msr=SF | ME | BE, r8=0x20000)
    g.finish()
    assert [g.word(0x20008 + 8 * i, 8) for i in range(g.r(10))] == [g.at("a"), g.at("a") + 8]


def test_the_trace_interrupt_says_so_in_srr1():
    g = taken("li 3,1\nafter: nop", 0xD00, msr=SF | ME | SE)
    assert (g.r(20), g.r(21)) == (g.at("after"), SF | ME | SE | 1 << (63 - 33))


def test_an_instruction_that_interrupts_is_not_traced():
    g = Guest(with_vectors("trap", 0x700, 0xD00), msr=SF | ME | SE)
    g.finish()
    assert g.r(22) == 0x700


def test_interrupts_are_counted_and_logged():
    g = Guest(with_vectors("nop\nhere: trap", 0x700))
    g.machine.log(8)
    g.finish()
    assert g.machine.count(0, Deed.INTERRUPT, 0x700) == 1
    assert g.machine.count(0, Deed.INTERRUPT, 0xC00) == 0
    (entry,) = g.machine.drain()
    assert (entry.nia, entry.vcpu, entry.deed, entry.argument) == (
        g.at("here"),
        0,
        Deed.INTERRUPT,
        0x700,
    )


def test_a_full_log_loses_the_newest_and_says_how_many():
    g = Guest(".org 0xc00\n rfid\n.org 0x10000\n_start: sc\n b _start")
    g.machine.log(4)
    g.run(30)
    assert len(g.machine.drain()) == 4
    assert g.machine.log_lost == g.machine.count(0, Deed.INTERRUPT, 0xC00) - 4
