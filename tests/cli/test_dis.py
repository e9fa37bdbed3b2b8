"""`emu dis`: words and flat images."""

from __future__ import annotations

import pytest


def test_a_word_on_the_command_line_is_printed_as_the_contract_says(emu):
    assert emu("dis", "7c00211c") == (0, "7c00211c  msgsndp r4\n", "")


def test_several_words_come_one_per_line(emu):
    ended = emu("dis", "0x60000000", "44000022")
    assert ended.out.splitlines() == ["60000000  nop", "44000022  sc      1"]


def test_a_word_that_is_no_instruction_is_data(emu):
    assert emu("dis", "0").out == "00000000  .long 0x0\n"


@pytest.mark.parametrize("endian", ["big", "little"])
def test_a_flat_image_is_printed_with_addresses_and_its_last_bytes(emu, tmp_path, endian):
    image = tmp_path / "image"
    image.write_bytes((0x38600007).to_bytes(4, endian) + b"\x01\x02")
    ended = emu("dis", image, "--raw", "--load-at", "0x1000", "--endian", endian)
    assert ended.out.splitlines() == [
        "    1000:  38600007  li      r3,7",
        "    1004:  0102      .byte 0x01,0x02",
    ]


def test_words_come_from_standard_input_with_addresses_or_without(emu):
    ended = emu("dis", "-", stdin=b"10000 48000008\n# a comment\n\n0x7c00211c\n")
    assert ended.out.splitlines() == [
        "   10000:  48000008  b       0x10008",
        "7c00211c  msgsndp r4",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["7c00211c", "xyz"],
        ["123456789", "0"],
        ["-", "--load-at", "0"],
        ["-", "--load-at", "here"],
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_usage_error(emu, arguments):
    ended = emu("dis", *arguments)
    assert ended.code == 2
    assert ended.out == ""


@pytest.mark.parametrize("data", [b"hello\n", b"\xff\xfe\x00", b"7c00211c 1 2\n", b"123456789\n"])
def test_what_is_neither_is_bad_input(emu, data):
    ended = emu("dis", "-", stdin=data)
    assert ended.code == 3
    assert ended.err.startswith("emu: standard input: line 1: neither ELF nor hexadecimal words")


def test_a_file_that_cannot_be_read_is_bad_input(emu, tmp_path):
    assert emu("dis", tmp_path / "none").err == (
        f"emu: cannot read {tmp_path}/none: No such file or directory\n"
    )
    assert emu("dis", tmp_path).err == f"emu: cannot read {tmp_path}: Is a directory\n"
    assert emu("dis", tmp_path).code == 3
