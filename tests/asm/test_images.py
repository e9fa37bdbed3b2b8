"""Flat images, hexadecimal text, listings and disassembly."""

from __future__ import annotations

import random

import pytest

from emu.asm import assemble, assemble_listing
from emu.asm.disasm import program_lines
from emu.asm.images import flat, hex_text
from emu.errors import ImageError
from emu.isa.disasm import disassemble
from emu.isa.table import INSNS, decode_strict


def test_a_flat_image_spans_the_loaded_bytes():
    program = assemble(".org 0x100\n.long 1\n.org 0x108\n.long 2\n.bss\n.space 64")
    assert flat(program) == bytes.fromhex("00000001 00000000 00000002")


def test_a_flat_image_of_everything_is_refused():
    with pytest.raises(ImageError, match="at most 256 MiB"):
        flat(assemble(".org 0\nnop\n.org 0x40000000\nnop"))


def test_hex_text_has_an_address_and_a_word_a_line():
    program = assemble("li 3,7\n.byte 1", endian="little")
    assert hex_text(program) == "00010000 38600007\n00010004 00000001\n"


def test_a_listing_shows_lines_bytes_and_expansions():
    _, text = assemble_listing("start: nop\n.macro two\nli 3,1\n.endm\ntwo\n.long 1, 2\n")
    assert text == (
        "   1 00010000 60000000 \tstart: nop\n"
        "   2                   \t.macro two\n"
        "   3                   \tli 3,1\n"
        "   4                   \t.endm\n"
        "   5                   \ttwo\n"
        "   3 00010004 38600001 \t> li 3,1\n"
        "   6 00010008 00000001 \t.long 1, 2\n"
        "   6 0001000c 00000002\n"
        "\n"
        "DEFINED SYMBOLS\n"
        "               .text:0000000000010000 start\n"
    )


def test_disassembly_names_branch_targets():
    program = assemble("_start: b over\n.space 32\nover: bl _start\n .byte 1", filename="x.s")
    assert [line for line in program_lines(program) if line.startswith("0") or "\t" in line][
        :6
    ] == [
        "0000000000010000 <_start>:",
        "   10000:\t48 00 00 24 \tb       10024 <over>",
        "\t...",
        "0000000000010024 <over>:",
        "   10024:\t4b ff ff dd \tbl      10000 <_start>",
        "   10028:\t01          \t.byte   0x1",
    ]


def test_every_row_survives_disassembling_and_assembling():
    rng = random.Random(1)
    wanted, lines = [], []
    for row in INSNS:
        for variant in row.variants:
            for _ in range(30):
                word = variant.match | rng.getrandbits(32) & ~variant.mask & 0xFFFFFFFF
                if decode_strict(word) is not None:
                    wanted.append(word)
                    lines.append(disassemble(word))
    program = assemble("\n".join(lines), text_base=0)
    got = [word for _, word in program.words()]
    wrong = [
        (f"{w:08x}", line, f"{g:08x}")
        for w, line, g in zip(wanted, lines, got, strict=True)
        if w != g
    ]
    assert not wrong
    assert len(wanted) > 5000
