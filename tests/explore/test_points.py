import pytest

from emu.asm import assemble
from emu.core._emu import lib
from emu.explore.footprint import DOORBELLS, UNKNOWN, Entry, analyse
from emu.explore.points import (
    NO_REGISTER,
    STORAGE,
    PointKind,
    around_handlers,
    classify,
    registers,
)
from emu.isa.instruction import VARIES
from emu.isa.table import VARIANTS


def words_of(source, address=0x1000):
    program = assemble(source, text_base=address)
    (segment,) = program.segments
    data = segment.data
    return {address + i: int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)}


def point_of(source):
    (word,) = words_of(source).values()
    return classify(word)


def analysed(source, handlers=(), **gpr):
    words = words_of(source)
    start = [0] * 32
    for name, value in gpr.items():
        start[int(name[1:])] = value
    points = {a: classify(w) for a, w in words.items()}
    return analyse(points, words, [Entry(0x1000, tuple(start))], handlers)


def test_kinds_are_those_of_the_search_in_c():
    for kind in PointKind:
        assert kind == getattr(lib, f"EMU_POINT_{kind.name}")


def test_every_row_that_accesses_storage_is_a_storage_point_or_opaque():
    for variant in VARIANTS.values():
        kind = classify(variant.match).kind
        accesses = variant.insn.load != 0 or variant.insn.store != 0
        assert (kind in STORAGE) == (accesses and kind is not PointKind.OPAQUE), variant.mnemonic
        if kind is PointKind.OPAQUE and accesses:
            assert VARIES in {variant.insn.load, variant.insn.store}


@pytest.mark.parametrize(
    ("source", "kind", "ra", "rb", "nbytes", "disp"),
    [
        ("lwz 3,-8(4)", PointKind.LOAD, 4, NO_REGISTER, 4, -8),
        ("lwz 3,16(0)", PointKind.LOAD, NO_REGISTER, NO_REGISTER, 4, 16),
        ("ldux 3,4,5", PointKind.LOAD, 4, 5, 8, 0),
        ("stdx 3,0,5", PointKind.STORE, NO_REGISTER, 5, 8, 0),
        ("stwu 3,4(5)", PointKind.STORE, 5, NO_REGISTER, 4, 4),
        ("lwarx 3,0,5", PointKind.RESERVE, NO_REGISTER, 5, 4, 0),
        ("stdcx. 3,4,5", PointKind.CONDITIONAL, 4, 5, 8, 0),
        ("lmw 29,4(5)", PointKind.LOAD, 5, NO_REGISTER, 12, 4),
        ("stswi 3,4,7", PointKind.STORE, 4, NO_REGISTER, 7, 0),
        ("dcbz 0,5", PointKind.BLOCK, NO_REGISTER, 5, 128, 0),
        ("lq 4,32(5)", PointKind.LOAD, 5, NO_REGISTER, 16, 32),
        ("lswx 3,4,5", PointKind.OPAQUE, NO_REGISTER, NO_REGISTER, 0, 0),
        ("msgsndp 4", PointKind.SEND, NO_REGISTER, 4, 0, 0),
        ("msgclrp 4", PointKind.CLEAR, NO_REGISTER, NO_REGISTER, 0, 0),
        ("mfspr 4,176", PointKind.DPDES, NO_REGISTER, NO_REGISTER, 0, 0),
        ("mtmsrd 4,1", PointKind.MSR, NO_REGISTER, NO_REGISTER, 0, 0),
        ("mtsrr0 4", PointKind.OWN, NO_REGISTER, NO_REGISTER, 0, 0),
        ("mflr 4", PointKind.PRIVATE, NO_REGISTER, NO_REGISTER, 0, 0),
        ("add 3,4,5", PointKind.PRIVATE, NO_REGISTER, NO_REGISTER, 0, 0),
        (".long 0x00000000", PointKind.OPAQUE, NO_REGISTER, NO_REGISTER, 0, 0),
    ],
)
def test_a_word_says_what_others_may_see_of_it(source, kind, ra, rb, nbytes, disp):
    point = point_of(source)
    assert point.kind is kind
    assert (point.ra, point.rb, point.nbytes, point.disp) == (ra, rb, nbytes, disp)


@pytest.mark.parametrize(
    ("source", "touched"),
    [
        ("add 3,4,5", {3, 4, 5}),
        ("add. 3,4,5", {3, 4, 5, "cr", "xer"}),
        ("cmpwi cr1,7,1", {7, "cr", "xer"}),
        ("adde 3,4,5", {3, 4, 5, "xer"}),
        ("mflr 4", {4, "lr"}),
        ("mtctr 4", {4, "ctr"}),
        ("bl .", {"lr"}),
        ("beq .", {"cr", "xer"}),
        ("bdnz .", {"cr", "xer", "ctr"}),
        ("mtsprg 0,4", {4, "spr272"}),
        ("lmw 30,0(1)", set(range(32))),
        ("stwcx. 3,4,5", {3, 4, 5, "cr", "xer"}),
    ],
)
def test_registers_names_at_least_what_an_instruction_touches(source, touched):
    (word,) = words_of(source).values()
    assert registers(word) >= touched


def test_an_instruction_that_shares_a_register_with_a_handler_is_a_point():
    words = words_of("li 3,1; li 4,1; mr 5,4; nop")
    handler = words_of("addi 4,4,1; rfid", 0x2000)
    points = {a: classify(w) for a, w in (words | handler).items()}
    marked = around_handlers(points, words | handler, handler)
    assert [marked[a].kind for a in words] == [
        PointKind.PRIVATE, PointKind.OWN, PointKind.OWN, PointKind.PRIVATE,
    ]  # fmt: skip


def test_addresses_that_are_certain_become_cells():
    found = analysed("lwz 3,0(4); xor 5,3,3; stwx 3,5,6; nop; b .", r4=0x8000, r6=0x8100)
    points = found.points
    x, y = 1 << found.cells[0x8000], 1 << found.cells[0x8100]
    assert (points[0x1000].reads, points[0x1000].writes) == (x | y, y)
    assert (points[0x1004].reads, points[0x1004].writes) == (y, y)
    assert (points[0x100C].reads, points[0x100C].writes) == (0, 0)


def test_an_address_that_was_loaded_may_be_any():
    points = analysed("ld 3,0(4); std 3,0(3); b .", r4=0x8000).points
    assert points[0x1004].writes == UNKNOWN


def test_a_loop_touches_in_every_turn_what_it_touches_in_one():
    points = analysed("1: nop; stw 3,0(4); b 1b", r4=0x8000).points
    assert points[0x1000].writes == points[0x1008].writes != 0


def test_a_register_with_two_values_is_not_certain():
    points = analysed("cmpwi 3,0; beq 1f; addi 4,4,8; 1: stw 3,0(4); b .", r4=0x8000).points
    assert points[0x100C].writes == UNKNOWN


def test_doorbells_are_cells_too():
    points = analysed("msgsndp 4; mfspr 5,176; b .").points
    assert points[0x1000].writes == DOORBELLS
    assert points[0x1004].reads == DOORBELLS


def test_what_follows_an_indirect_branch_may_be_anything():
    everything = (1 << 64) - 1
    assert analysed("blr").points[0x1000].writes == everything


def test_what_may_leave_the_guest_is_no_private_instruction():
    assert point_of("sc 1").kind is PointKind.HCALL
    assert point_of("mfspr 3,446").kind is PointKind.OWN
    assert point_of("mfspr 3,8").kind is PointKind.PRIVATE
