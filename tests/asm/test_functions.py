"""What is taken for a function, and what debuggers are told of it."""

from __future__ import annotations

import re
import subprocess

import pytest

from emu.asm import assemble
from emu.asm.elf_writer import write_elf


def functions(source):
    return [(row.name, row.start, row.end) for row in assemble(source).functions]


def test_what_is_called_typed_or_framed_is_a_function_and_start_too():
    assert functions("""
_start: bl called; b jumped
called: nop
loop:   b loop
jumped: nop
framed: .cfi_startproc; blr; .cfi_endproc
        .type typed, @function
typed:  blr
        .data
        .type data, @object
data:   .quad called
    """) == [
        ("_start", 0x10000, 0x10008), ("called", 0x10008, 0x10014), ("framed", 0x10014, 0x10018),
        ("typed", 0x10018, 0x1001C),
    ]  # fmt: skip


def test_labels_after_start_name_what_they_begin_but_none_within_a_function():
    source = """
_start: nop
asleep: b asleep
1:      b 1b
called: nop
inside: blr
handler: bl called
        """
    assert functions(source) == [
        ("_start", 0x10000, 0x10004), ("asleep", 0x10004, 0x1000C), ("called", 0x1000C, 0x10018),
    ]  # fmt: skip
    assert [row.outermost for row in assemble(source).functions] == [True, True, False]


def test_a_function_ends_where_its_size_or_frame_says_and_holds_no_other():
    assert functions("""
_start: bl inner; bl outer; bl last
        .type outer, @function
outer:  nop
inner:  blr
        .size outer, . - outer
        nop
last:   .cfi_startproc; nop; .cfi_endproc
        nop
        .org 0x20000
        nop
    """) == [
        ("_start", 0x10000, 0x1000C), ("outer", 0x1000C, 0x10014), ("last", 0x10018, 0x1001C),
    ]  # fmt: skip


def test_of_several_names_the_typed_one_counts():
    source = "_start: bl a\na:\n.globl c\n.type c, @function\nc: blr\n.size c, 4"
    assert functions(source)[1] == ("c", 0x10004, 0x10008)


def test_a_size_beyond_the_code_is_cut_and_an_empty_function_is_none():
    source = "_start: b .\n.type f, @function\nf: nop\n.size f, 1 << 40\n.type g, @function\ng:"
    assert functions(source)[1:] == [("f", 0x10004, 0x10008)]


@pytest.mark.parametrize("endian", ["big", "little"])
def test_debuggers_are_told_of_functions_and_that_nobody_calls_start(endian, oracle, tmp_path):
    program = assemble("_start: bl f; b .\nf: blr", endian=endian)
    (tmp_path / "f.elf").write_bytes(write_elf(program, debug=True))
    triplet = "powerpc64-linux-gnu" if endian == "big" else "powerpc64le-linux-gnu"
    done = subprocess.run(
        [oracle(f"{triplet}-readelf"), "--debug-dump=info,frames", tmp_path / "f.elf"],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "arning" not in done.stderr
    assert re.findall(r"DW_AT_name +: (\w+)\n", done.stdout) == ["_start", "f"]
    assert "FDE cie=00000000 pc=0000000000010000..0000000000010008" in done.stdout
    assert "DW_CFA_undefined: r65" in done.stdout
    assert "pc=0000000000010008" not in done.stdout


def test_a_start_that_has_a_frame_or_is_called_gets_none():
    for source in ("_start: .cfi_startproc; b .; .cfi_endproc", "_start: bl _start"):
        (row,) = assemble(source).functions
        assert not row.outermost
