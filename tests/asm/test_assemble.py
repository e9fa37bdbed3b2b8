"""What assembling a small program gives."""

from __future__ import annotations

import pytest

from emu.asm import assemble
from emu.errors import AssemblyError


def words(text, **options):
    program = assemble(text, **options)
    return [word for _, word in program.words()]


def test_text_begins_at_0x10000_and_start_is_the_entry():
    program = assemble("nop\n_start: li 3,7\n b .\n")
    assert [segment.address for segment in program.segments] == [0x10000]
    assert program.entry == 0x10004
    assert program.read(0x10004, 4) == bytes.fromhex("38600007")


def test_little_endian_words_are_stored_backwards():
    assert assemble("li 3,7", endian="little").segments[0].data == bytes.fromhex("07006038")


@pytest.mark.parametrize("register", ["3", "r3", "%r3", "R3", "(1+2)", "three"])
def test_a_register_has_many_spellings(register):
    assert words(f".set three, 3\nli {register},7") == [0x38600007]


def test_a_label_may_have_the_name_of_a_register():
    assert words("b r3\nr3: nop") == [0x48000004, 0x60000000]


def test_numeric_labels_refer_to_the_nearest_definition():
    assert words("1: b 1f\n b 1b\n1: b 1b\n b 1b") == [
        0x48000008, 0x4BFFFFFC, 0x48000000, 0x4BFFFFFC,
    ]  # fmt: skip


def test_org_with_a_number_places_the_next_byte_at_that_address():
    program = assemble("_start: nop\n .org 0x100\n b _start\n .org 0xa00\n nop")
    assert [segment.address for segment in program.segments] == [0x100, 0xA00, 0x10000]
    assert program.word(0x100) == 0x4800FF00


def test_org_with_a_label_moves_forward_within_the_section():
    program = assemble("start: nop\n .org start+16\nend: nop")
    assert program.address_of("end") == 0x10010
    assert len(program.segments) == 1


def test_the_section_vectors_begins_at_0():
    program = assemble("nop\n.section .vectors\n.skip 0x100\nb .\n")
    assert [segment.address for segment in program.segments] == [0, 0x10000]
    assert program.word(0x100) == 0x48000000


def test_parts_that_overlap_are_refused():
    with pytest.raises(AssemblyError, match="two parts of the program must not overlap"):
        assemble(" .org 0x100\n nop\n nop\n .org 0x104\n nop")


def test_sections_follow_the_text_each_kind_from_a_page_of_its_own():
    program = assemble("nop\n.data\n.long 1\n.section .rodata\n.long 2\n.bss\n.space 8")
    assert [(s.name, s.address) for s in program.segments] == [
        (".text", 0x10000), (".rodata", 0x11000), (".data", 0x12000), (".bss", 0x13000),
    ]  # fmt: skip


def test_a_macro_takes_defaults_keywords_and_a_counter():
    text = """
    .macro put r, off=8, more:vararg
    std \\r,\\off(1)
    .long \\@
    .long \\more
    .endm
    put r3,,1,2
    put off=16, r=4
    """
    assert words(text) == [0xF8610008, 0, 1, 2, 0xF8810010, 1]


def test_what_follows_a_block_on_its_line_comes_after_it():
    assert words(".rept 2; nop; .endr; blr") == [0x60000000, 0x60000000, 0x4E800020]


def test_symbols_may_be_set_again_and_earlier_uses_keep_what_they_saw():
    assert words("x = 1\n.long x\nx = x + 1\n.long x\n.long y\n.set y, x + 5") == [1, 2, 7]


def test_lines_name_the_source_of_each_instruction():
    program = assemble("nop\n.macro two\nnop\nnop\n.endm\ntwo\n", filename="x.s")
    assert [(line.address, line.line) for line in program.lines] == [
        (0x10000, 1), (0x10004, 6), (0x10008, 6),
    ]  # fmt: skip
    assert program.line_at(0x1000B).line == 6
    assert program.line_at(0x1000C) is None


def test_every_mistake_is_reported_in_source_order():
    with pytest.raises(AssemblyError) as caught:
        assemble("b nowhere\nfrob 1\nli 3,70000\nnop\n.bogus\n")
    assert [diagnostic.span.line for diagnostic in caught.value.diagnostics] == [1, 2, 3, 5]


def test_defines_are_symbols_before_the_first_line():
    assert words(".if DEBUG > 1\n.long DEBUG\n.endif", defines={"DEBUG": 3}) == [3]


def test_a_preprocessors_line_marker_renames_the_lines_that_follow():
    with pytest.raises(AssemblyError) as caught:
        assemble('nop\n# 40 "entry.S" 1\nnop\nfrob\n# 3 "guest.S"\nfrob\n', filename="x.s")
    spans = [diagnostic.span for diagnostic in caught.value.diagnostics]
    assert [(span.file, span.line) for span in spans] == [("entry.S", 41), ("guest.S", 3)]


def test_exitm_leaves_the_macro_and_its_conditions():
    text = (
        ".macro m x\n.if \\x\n.long 1; .exitm; .long 2\n.endif\n.long 3\n.endm\nm 1; .long 4\nm 0\n"
    )
    assert words(text) == [1, 4, 3]


def test_assembling_twice_gives_the_same_program_whatever_was_assembled_between():
    first = assemble("nop\nadd 3,4,5\n")
    assemble(".macro nop\n.long 5\n.endm\nnop\nadd 3,4,5\n")
    assert assemble("nop\nadd 3,4,5\n") == first
    assert words(".macro nop\n.long 5\n.endm\nnop") == [5]
