"""`emu asm`: source text to program files."""

from __future__ import annotations

import json

import pytest

SOURCE = "_start: li 3,7\n.if LEVEL > 1\n.long LEVEL\n.endif\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "guest.s"
    path.write_text(SOURCE)
    return path


def test_hex_goes_to_standard_output(emu):
    assert emu("asm", "-e", "li 3,7; blr", "--format", "hex", "-o", "-") == (
        0, "00010000 38600007\n00010004 4e800020\n", "",
    )  # fmt: skip


def test_a_program_file_is_named_after_the_source(emu, source):
    assert emu("asm", source, "-D", "LEVEL=0").code == 0
    assert source.with_suffix(".elf").read_bytes().startswith(b"\x7fELF")
    assert "li      r3,7" in emu("dis", source.with_suffix(".elf")).out


@pytest.mark.parametrize(("value", "word"), [("5", "00000005"), ("0x10", "00000010")])
def test_symbols_are_set_on_the_command_line(emu, source, value, word):
    ended = emu("asm", source, "-D", f"LEVEL={value}", "--format", "hex", "-o", "-")
    assert ended.out.splitlines() == ["00010000 38600007", f"00010004 {word}"]


def test_a_flat_image_has_the_bytes_of_the_program(emu, tmp_path):
    out = tmp_path / "guest.bin"
    assert emu("asm", "-e", "nop", "--endian", "little", "--format", "bin", "-o", out).code == 0
    assert out.read_bytes() == bytes.fromhex("00000060")


def test_an_object_file_is_relocatable(emu, tmp_path):
    out = tmp_path / "guest.o"
    assert emu("asm", "-e", "bl elsewhere", "--relocatable", "-o", out).code == 0
    assert out.read_bytes()[16:18] == b"\0\1"


def test_source_comes_from_standard_input(emu):
    ended = emu("asm", "-", "--format", "hex", "-o", "-", stdin=b"nop")
    assert ended.out == "00010000 60000000\n"


def test_includes_are_found_along_the_directories(emu, source, tmp_path):
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "part.inc").write_text("nop\n")
    source.write_text('.include "part.inc"\n')
    assert emu("asm", source).code == 3
    rule = tmp_path / "guest.d"
    assert emu("asm", source, "-I", tmp_path / "inc", "--MD", rule).code == 0
    assert "inc/part.inc" in rule.read_text()


def test_a_listing_is_written(emu, source, tmp_path):
    listing = tmp_path / "guest.lst"
    assert emu("asm", source, "-D", "LEVEL=2", "--listing", listing).code == 0
    assert "00010000 38600007" in listing.read_text()


def test_mistakes_are_shown_and_exit_3(emu):
    ended = emu("asm", "-e", "li 3,70000; frob", "-o", "-")
    assert (ended.code, ended.out) == (3, "")
    assert "70000 does not fit in 16 signed bits" in ended.err
    assert "`frob` is unknown" in ended.err


def test_mistakes_as_json_are_one_object_a_line(emu):
    ended = emu("asm", "-e", "li 3,70000; frob", "-o", "-", "--diagnostics", "json")
    found = [json.loads(line) for line in ended.err.splitlines()]
    assert ended.code == 3
    assert [(d["schema"], d["line"], d["column"], d["severity"]) for d in found] == [
        (1, 1, 6, "error"), (1, 1, 13, "error"),
    ]  # fmt: skip


def test_warnings_may_be_errors_or_silent(emu):
    arguments = ("asm", "-e", ".byte 256", "-o", "-", "--format", "hex")
    assert "warning: .byte keeps 8 bits" in emu(*arguments).err
    assert emu(*arguments, "--werror").code == 3
    assert emu(*arguments, "--no-warn").err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("a.s", "-e", "nop"), ("-e", "nop"), ("-",),
        ("-e", "nop", "-o", "-", "--text-base", "2"),
        ("-e", "nop", "-o", "-", "-D", "1=2"), ("-e", "nop", "-o", "-", "-D", "x=y"),
        ("-e", "nop", "-o", "-", "--relocatable", "--format", "hex"),
        ("-e", "nop", "-o", "-", "--relocatable", "-g"),
        ("-e", "nop", "-o", "-", "--relocatable", "--text-base", "0x20000"),
        ("-e", "nop", "-o", "-", "--listing", "-"), ("-e", "nop", "-o", ""),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(emu, arguments):
    assert emu("asm", *arguments).code == 2


def test_an_object_file_has_diagnostics_and_a_make_rule_as_a_program_has(emu, tmp_path):
    rule = tmp_path / "rule.d"
    out = tmp_path / "an object.o"
    arguments = ("asm", "-e", ".byte 256", "--relocatable", "-o", out, "--MD", rule)
    assert "warning: .byte keeps 8 bits" in emu(*arguments).err
    assert emu(*arguments, "--werror").code == 3
    ended = emu("asm", "-e", "li 3", "--relocatable", "-o", out, "--diagnostics", "json")
    assert json.loads(ended.err)["severity"] == "error"
    assert rule.read_text().startswith(str(out).replace(" ", "\\ ") + ": ")


def test_a_missing_file_exits_3_with_its_name(emu):
    ended = emu("asm", "nowhere.s")
    assert ended.code == 3
    assert "nowhere.s" in ended.err


def test_the_source_is_never_overwritten(emu, source):
    assert emu("asm", source, "-D", "LEVEL=0", "-o", source).code == 2
    assert source.read_text() == SOURCE


def test_an_elf_file_is_disassembled_with_its_source(emu, source):
    assert emu("asm", source, "-D", "LEVEL=0", "-g").code == 0
    out = emu("dis", "-S", source.with_suffix(".elf")).out
    assert f"{source}:1" in out
    assert "_start: li 3,7" in out


def test_an_elf_guest_runs(emu, tmp_path):
    out = tmp_path / "guest.elf"
    text = "li 3,0; ori 3,3,0xf100; li 4,0; sc 1"
    assert emu("asm", "-e", text, "-o", out).code == 0
    assert emu("run", out).code == 0


@pytest.mark.parametrize("options", [["-o"], ["--relocatable", "-o"], ["-o", "-", "--listing"]])
def test_no_output_overwrites_the_source_however_its_name_is_spelt(emu, tmp_path, options):
    source = tmp_path / "a.s"
    source.write_text("nop\n")
    ended = emu("asm", source, *options, tmp_path / ".." / tmp_path.name / "a.s")
    assert ended.code == 2
    assert "an output must not be the source itself" in ended.err
    assert source.read_text() == "nop\n"


@pytest.mark.parametrize("option", [["-o"], ["-o", "/dev/null", "--listing"]], ids=" ".join)
def test_an_output_that_cannot_be_written_is_usage_as_with_every_command(emu, tmp_path, option):
    ended = emu("asm", "-e", "nop", *option, tmp_path)
    assert (ended.code, ended.err) == (2, f"emu: cannot write {tmp_path}: Is a directory\n")
