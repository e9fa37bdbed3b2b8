"""Programs as ELF files: what the GNU tools, gdb and our own reader make of them."""

from __future__ import annotations

import random
import re
import struct
import subprocess

import pytest

from emu.asm import assemble, assemble_file
from emu.asm.elf import read_elf
from emu.asm.elf_writer import write_elf
from emu.errors import ImageError

SOURCE = """
    .globl _start
    .type _start, @function
_start:
    lis 3, message@ha
    addi 3, 3, message@l
1:  bl subroutine
    b 1b
    .size _start, . - _start
subroutine:
    li 4, 5
    blr
    .org 0x500
    b _start
    .org 0x900
    nop
    .section .rodata
message: .asciz "hello"
    .data
    .quad subroutine
    .bss
    .balign 16
buffer: .space 100
    .set answer, 42
"""


@pytest.fixture(params=["big", "little"])
def image(request, tmp_path):
    """The program of SOURCE, and the path of its ELF file with a line table."""
    source = tmp_path / "guest.s"
    source.write_text(SOURCE)
    program = assemble_file(source, endian=request.param)
    path = tmp_path / "guest.elf"
    path.write_bytes(write_elf(program, debug=True, directory=str(tmp_path)))
    return program, path


def run(*command):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, done.stderr


def test_readelf_reads_everything_without_a_warning(image, oracle):
    _, path = image
    out, err = run(oracle("powerpc64-linux-gnu-readelf"), "-aW", "--debug-dump", path)
    assert "arning" not in out + err
    assert "rror" not in out + err
    assert "EXEC" in out
    assert "abiv2" in out


def test_objdump_prints_our_disassembly(image, oracle):
    program, path = image
    out, err = run(oracle("powerpc64-linux-gnu-objdump"), "-d", path)
    assert not err
    theirs = re.findall(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} ){4})", out, re.MULTILINE)
    code = {
        segment.address + at: segment.data[at : at + 4]
        for segment in program.segments
        if segment.executable
        for at in range(0, len(segment.data), 4)
    }
    assert {int(at, 16): bytes.fromhex(word) for at, word in theirs} == {
        at: word for at, word in code.items() if any(word)
    }
    assert "<subroutine>" in out
    assert "<_start+0x8>" in out


def test_gdb_finds_lines_and_symbols(image, oracle):
    _, path = image
    out, _ = run(
        oracle("gdb-multiarch"), "-nx", "-batch", "-ex", "info line subroutine",
        "-ex", "x/2i subroutine", "-ex", "info address buffer", "-ex", "list _start", path,
    )  # fmt: skip
    assert 'Line 11 of "' in out
    assert "li      r4,5" in out
    assert 'Symbol "buffer" is' in out
    assert "lis 3, message@ha" in out


def test_our_reader_gives_the_program_back(image):
    program, path = image
    again = read_elf(path.read_bytes(), "guest.elf")
    assert (again.endian, again.entry, again.abi) == (program.endian, program.entry, 2)
    assert {name: (s.address, s.size, s.type, s.binding) for name, s in again.symbols.items()} == {
        name: (s.address, s.size, s.type, s.binding) for name, s in program.symbols.items()
    }
    for segment in program.segments:
        assert again.read(segment.address, len(segment.data)) == segment.data
        assert again.contains(segment.end - 1)
    theirs = {(line.address, line.line, line.file) for line in again.lines}
    assert theirs == {(line.address, line.line, line.file) for line in program.lines}


def test_a_linked_c_program_is_read(oracle, tmp_path):
    source = tmp_path / "a.c"
    source.write_text("int x = 3;\nint _start(void) {\n  return x;\n}\n")
    path = tmp_path / "a.elf"
    run(oracle("powerpc64-linux-gnu-gcc"), "-g", "-nostdlib", "-static", "-o", path, source)
    program = read_elf(path.read_bytes(), "a.elf")
    opd = program.symbols["_start"]
    assert opd.section == ".opd"
    assert program.entry == int.from_bytes(program.read(opd.address, 8), "big")
    line = program.line_at(program.entry)
    assert (line.file, line.line) == (str(source), 2)


def test_a_position_independent_program_is_marked_relative(oracle, tmp_path):
    source = tmp_path / "a.c"
    source.write_text("int x = 3;\nint _start(void) { return x; }\n")
    path = tmp_path / "a.elf"
    run(oracle("powerpc64le-linux-gnu-gcc"), "-nostdlib", "-static-pie", "-o", path, source)
    program = read_elf(path.read_bytes(), "a.elf")
    assert program.relative
    assert program.endian == "little"


def elf(**changes):
    """A minimal good file with some header fields changed."""
    program = assemble("_start: nop\n.org 0x20000\nnop")
    data = bytearray(write_elf(program))
    for name, value in changes.items():
        offset, form = FIELDS[name]
        struct.pack_into(form, data, offset, value)
    return bytes(data)


FIELDS = {
    "magic": (0, "B"), "class_": (4, "B"), "order": (5, "B"), "kind": (16, ">H"),
    "machine": (18, ">H"), "version": (20, ">I"), "phoff": (32, ">Q"), "shoff": (40, ">Q"),
    "flags": (48, ">I"), "phentsize": (54, ">H"), "phnum": (56, ">H"), "shentsize": (58, ">H"),
    "type0": (64, ">I"), "offset0": (72, ">Q"), "vaddr0": (80, ">Q"), "filesz0": (96, ">Q"),
    "memsz0": (104, ">Q"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": 0}, "begins with 7f 45 4c 46"),
        ({"class_": 1}, "must be ELFCLASS64, got ELFCLASS32"),
        ({"order": 7}, "byte order must be 1 or 2, got 7"),
        ({"kind": 1}, "got ET_REL, relocatable: link it first"),
        ({"kind": 4}, "must be ET_EXEC or ET_DYN, got ET_CORE"),
        ({"machine": 62}, r"must be EM_PPC64 \(21\), got 62"),
        ({"machine": 20}, "32-bit Power"),
        ({"version": 2}, "version must be 1"),
        ({"flags": 0x10}, "ABI version"),
        ({"phnum": 0}, "this file has none"),
        ({"phentsize": 32}, "a program header has 56 bytes, got 32"),
        ({"phoff": 1 << 40}, "program headers must lie within the file"),
        ({"shoff": 1 << 40}, "section headers must lie within the file"),
        ({"shentsize": 1}, "a section header has 64 bytes"),
        ({"type0": 3}, "must be static"),
        ({"offset0": 1 << 50}, "segment 0 must lie within the file"),
        ({"vaddr0": 1 << 62}, "segment 0 must lie below"),
        ({"filesz0": 100}, "has 0x64 bytes in the file for 0x4 in memory"),
        ({"memsz0": 0x10010}, "segments must not overlap"),
    ],
)
def test_a_damaged_header_is_refused_with_the_rule(changes, reason):
    with pytest.raises(ImageError, match=reason):
        read_elf(elf(**changes), "bad.elf")


def test_a_file_cut_anywhere_is_refused_or_read():
    data = elf()
    for length in range(len(data)):
        try:
            read_elf(data[:length], "cut.elf")
        except ImageError:
            continue


def test_random_damage_never_escapes_as_another_exception():
    rng = random.Random(7)
    program = assemble(SOURCE, filename="x.s")
    data = write_elf(program, debug=True)
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.getrandbits(8)
        try:
            read_elf(bytes(damaged), "damaged.elf")
        except ImageError:
            continue
