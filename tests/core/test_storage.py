"""Loads and stores at the edges: partition, alignment, byte order, reservations."""

from __future__ import annotations

import pytest

from emu.core.machine import Exit
from emu.isa.msr import mask

from .guest import ALL, ME, MEMORY, SF, Guest, with_vectors

ILE = mask("LPCR", "ILE")
BYTES = bytes(range(1, 33))


def with_bytes(text, **options):
    g = Guest(text, r3=0x20000, **options)
    g.machine.write(0, 0x20000, BYTES)
    return g.finish()


@pytest.mark.parametrize("nbytes", [1, 2, 4, 8])
def test_the_last_bytes_of_memory_can_be_loaded_and_stored(nbytes):
    name = {1: ("lbz", "stb"), 2: ("lhz", "sth"), 4: ("lwz", "stw"), 8: ("ld", "std")}[nbytes]
    g = Guest(f"{name[1]} 4,0(3)\n {name[0]} 5,0(3)\n sc 1", r3=MEMORY - nbytes, r4=ALL).finish()
    assert g.r(5) == (1 << 8 * nbytes) - 1


@pytest.mark.parametrize("nbytes", [2, 4, 8])
def test_an_access_that_leaves_memory_half_way_does_nothing(nbytes):
    name = {2: "sth", 4: "stw", 8: "std"}[nbytes]
    g = Guest(with_vectors(f"{name} 4,0(3)", 0x300), r3=MEMORY - nbytes + 1, r4=ALL).finish()
    assert g.word(MEMORY - 8, 8) == 0


def test_a_store_may_cross_pages():
    g = Guest("std 4,0(3)\n sc 1", r3=0x20FFD, r4=0x0102030405060708).finish()
    assert g.word(0x20FFD, 8) == 0x0102030405060708


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("instruction", ["lhbrx", "lwbrx", "ldbrx"])
def test_byte_reversed_loads_read_the_other_order(order, instruction):
    g = with_bytes(f"{instruction} 5,0,3\n sc 1", little=order == "little")
    nbytes = {"h": 2, "w": 4, "d": 8}[instruction[1]]
    other = "little" if order == "big" else "big"
    assert g.r(5) == int.from_bytes(BYTES[:nbytes], other)


@pytest.mark.parametrize("little", [False, True])
def test_a_quadword_is_one_number_in_either_order(little):
    g = with_bytes("lq 6,0(3)\n stq 6,32(3)\n sc 1", little=little)
    number = int.from_bytes(BYTES[:16], "little" if little else "big")
    assert (g.r(6) << 64 | g.r(7)) == number
    assert g.machine.read(0, 0x20020, 16) == BYTES[:16]


@pytest.mark.parametrize("text", ["lq 6,0(3)", "stq 6,0(3)"])
def test_a_quadword_must_be_aligned(text):
    g = Guest(with_vectors(text, 0x600), r3=0x20008).finish()
    assert g.v.dar == 0x20008


# lq 7,0(3); lq 6,0(6); stq 7,0(3); lqarx 7,0,3; lqarx 6,6,3; lqarx 6,3,6; stqcx. 7,0,3
@pytest.mark.parametrize("word", [0xE0E30000, 0xE0C60000, 0xF8E30002, 0x7CE01A28, 0x7CC61A28,
                                  0x7CC33228, 0x7CE0196D])  # fmt: skip
def test_a_register_pair_that_is_odd_or_part_of_the_address_is_illegal(word):
    g = Guest(f".long {word:#x}", r3=0x20000, r6=0x20000)
    assert g.run() is Exit.EMUL_ASSIST


def test_string_loads_fill_registers_from_the_left_and_wrap():
    g = with_bytes("lswi 31,3,6\n sc 1")
    assert (g.r(31), g.r(0)) == (0x01020304, 0x05060000)


def test_lswx_takes_its_length_from_xer():
    g = with_bytes("li 5,5\n mtxer 5\n lswx 10,0,3\n stswx 10,3,6\n sc 1", r6=64, r12=9)
    assert (g.r(10), g.r(11), g.r(12)) == (0x01020304, 0x05000000, 9)
    assert g.machine.read(0, 0x20040, 6) == BYTES[:5] + b"\0"


def test_lswx_of_no_bytes_does_nothing_anywhere():
    Guest("lswx 10,0,3\n stswx 10,0,3\n sc 1", r3=1 << 50).finish()


def test_load_multiple_goes_up_to_r31():
    g = with_bytes("lmw 29,0(3)\n stmw 29,64(3)\n sc 1")
    assert [g.r(n) for n in (29, 30, 31)] == [0x01020304, 0x05060708, 0x090A0B0C]
    assert g.machine.read(0, 0x20040, 12) == BYTES[:12]


def test_dcbz_clears_the_128_bytes_around():
    g = Guest("dcbz 0,3\n sc 1", r3=0x200FF)
    g.machine.write(0, 0x20000, b"\xff" * 0x400)
    g.finish()
    assert g.machine.read(0, 0x20000, 0x400) == b"\xff" * 128 + bytes(128) + b"\xff" * 768


@pytest.mark.parametrize("hint", ["dcbt 0,3", "dcbtst 0,3", "icbt 0,0,3"])
def test_touches_never_interrupt(hint):
    Guest(f"{hint}\n sc 1", r3=1 << 50).finish()


@pytest.mark.parametrize("flush", ["icbi 0,3", "dcbf 0,3", "dcbst 0,3"])
def test_cache_management_outside_memory_is_a_load(flush):
    g = Guest(with_vectors(flush, 0x300), r3=1 << 50).finish()
    assert (g.v.dar, g.v.dsisr) == (1 << 50, mask("DSISR", "NO_TRANSLATION"))


# ---- reservations

PAIRS = [
    ("lbarx", "stbcx.", 1),
    ("lharx", "sthcx.", 2),
    ("lwarx", "stwcx.", 4),
    ("ldarx", "stdcx.", 8),
]


def cr0(guest):
    return guest.v.cr >> 28


@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize(("load", "store", "nbytes"), PAIRS)
def test_a_conditional_store_succeeds_once(load, store, nbytes, little):
    g = with_bytes(
        f"{load} 5,0,3\n not 6,5\n {store} 6,0,3\n mfcr 7\n {store} 5,0,3\n sc 1", little=little
    )
    assert g.r(7) >> 28 == 2
    assert cr0(g) == 0
    flipped = bytes(0xFF ^ byte for byte in BYTES[:nbytes])
    assert g.machine.read(0, 0x20000, nbytes) == flipped


def test_a_conditional_store_copies_so():
    g = with_bytes("mtxer 4\n lwarx 5,0,3\n stwcx. 5,0,3\n sc 1", r4=1 << 31)
    assert cr0(g) == 3


def test_quadword_reservations():
    g = with_bytes("lqarx 6,0,3\n std 6,40(3)\n stqcx. 6,0,3\n sc 1")
    assert cr0(g) == 2


@pytest.mark.parametrize("store", ["stwcx. 5,3,6", "stdcx. 5,0,3", "stbcx. 5,0,3"])
def test_another_address_or_length_fails(store):
    g = with_bytes(f"lwarx 5,0,3\n {store}\n sc 1", r6=8)
    assert cr0(g) == 0


def test_the_threads_own_stores_keep_its_reservation():
    g = with_bytes("lwarx 5,0,3\n stw 6,0(3)\n stb 6,100(3)\n stwcx. 5,0,3\n sc 1")
    assert cr0(g) == 2


@pytest.mark.parametrize(
    ("offset", "survives"), [(-1, True), (0, False), (4, False), (127, False), (128, True)]
)
@pytest.mark.parametrize("store", ["stb 4,0(3)", "stbx 4,0,3", "dcbz 0,3", "stswi 4,3,1",
                                   "lbarx 4,0,3\n stbcx. 4,0,3"])  # fmt: skip
def test_a_store_of_another_thread_to_the_granule_ends_a_reservation(store, offset, survives):
    g = Guest(
        f"lwarx 5,0,3\n sc 1\n stwcx. 5,0,3\n sc 1\nother: {store}\n sc 1", nvcpus=2, r3=0x20000
    )
    g.finish()
    g.machine.vcpu[1].nia = g.at("other")
    g.machine.vcpu[1].gpr[3] = 0x20000 + offset
    g.finish(thread=1)
    g.finish()
    assert (cr0(g) == 2) is survives


def test_a_store_that_spans_into_the_granule_ends_the_reservation():
    g = Guest(
        "lwarx 5,0,3\n sc 1\n stwcx. 5,0,3\n sc 1\nother: std 4,-4(3)\n sc 1", nvcpus=2, r3=0x21000
    )
    g.finish()
    g.machine.vcpu[1].nia = g.at("other")
    g.finish(thread=1)
    g.finish()
    assert cr0(g) == 0


def test_a_write_from_outside_ends_reservations():
    g = Guest("lwarx 5,0,3\n sc 1\n stwcx. 5,0,3\n sc 1", r3=0x20000)
    g.finish()
    g.machine.write(0, 0x20000, b"\1")
    g.finish()
    assert cr0(g) == 0


def test_reservations_of_two_vms_do_not_meet():
    g = Guest("lwarx 5,0,3\n sc 1\n stwcx. 5,0,3\n sc 1\n", nvcpus=2, r3=0x20000)
    g.finish()
    g.machine.vcpu[1].reserve_ea, g.machine.vcpu[1].reserve_size = 0x20000, 4
    g.machine.vcpu[1].vm = 5  # no such VM: it can hold nothing
    g.finish()
    assert cr0(g) == 2
    assert g.machine.vcpu[1].reserve_size == 4


def test_a_failed_address_keeps_the_reservation():
    g = Guest(
        ".org 0x300\n mfspr 9,26\n addi 9,9,4\n mtspr 26,9\n rfid\n"
        ".org 0x10000\n_start: lwarx 5,0,3\n stwcx. 5,0,4\n stwcx. 5,0,3\n sc 1",
        r3=0x20000,
        r4=1 << 50,
    )
    g.finish()
    assert cr0(g) == 2


# ---- byte order and 32-bit mode


def test_rfid_switches_the_byte_order():
    g = Guest("mfmsr 4\n ori 4,4,1\n mtspr 27,4\n lis 5,2\n mtspr 26,5\n rfid")
    little = Guest("mfmsr 6\n ld 7,0(3)\n sc 1", little=True)
    g.machine.write(0, 0x20000, little.program.segments[0].data)
    g.machine.write(0, 0x30000, BYTES)
    g.v.gpr[3] = 0x30000
    g.finish()
    assert g.r(6) == SF | ME | 1
    assert g.r(7) == int.from_bytes(BYTES[:8], "little")


def test_mtmsrd_does_not_change_the_byte_order():
    g = Guest("ori 4,4,1\n mtmsrd 4\n mfmsr 5\n sc 1", r4=SF | ME).finish()
    assert g.r(5) == SF | ME


def test_32_bit_mode_truncates_addresses_and_links():
    g = Guest("ld 5,0(3)\n ldu 6,8(4)\n bl 1f\n1: mflr 7\n mtctr 8\n bctr\n nop\n2: sc 1", msr=ME,
              r3=ALL << 32 | 0x20000, r4=ALL << 32 | 0x20000, r8=1 << 40 | 0x1001C)  # fmt: skip
    g.machine.write(0, 0x20000, BYTES)
    g.finish()
    assert g.r(5) == int.from_bytes(BYTES[:8], "big")
    assert g.r(6) == int.from_bytes(BYTES[8:16], "big")
    assert (g.r(4), g.r(7), g.v.nia) == (0x20008, 0x1000C, 0x10020)


def test_32_bit_mode_compares_results_and_ctr_by_their_low_words():
    g = Guest("add. 5,3,4\n mfcr 6\n mtctr 7\n bdnz 1f\n sc 1\n1: li 9,1\n sc 1", msr=ME,
              r3=1 << 40, r4=0x80000000, r7=1 << 32 | 1).finish()  # fmt: skip
    assert g.r(6) >> 28 == 8
    assert g.r(9) == 0


def test_32_bit_mode_carries_out_of_the_low_word():
    g = Guest(
        "addc 5,3,4\n mfxer 6\n addo 7,8,8\n mfxer 9\n sc 1",
        msr=ME,
        r3=0xFFFFFFFF,
        r4=1,
        r8=0x40000000,
    )
    g.finish()
    assert g.r(6) == mask("XER", "CA", "CA32")
    assert g.r(9) == mask("XER", "CA", "CA32", "SO", "OV", "OV32")


def test_little_endian_words_are_fetched_backwards():
    g = Guest("li 3,7\n sc 1", little=True)
    assert g.machine.read(0, 0x10000, 4) == bytes.fromhex("07006038")
    assert g.finish().r(3) == 7
