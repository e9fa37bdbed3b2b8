"""Objects for ld: the same program as from GNU as, and one with C."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from emu.asm import assemble_object
from emu.errors import AssemblyError

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.c"))
TRIPLETS = {"big": "powerpc64-linux-gnu", "little": "powerpc64le-linux-gnu"}
OPTIONS = [
    "-ffreestanding", "-fno-stack-protector", "-msoft-float", "-mno-altivec", "-mno-vsx",
    "-mcpu=power9",
]  # fmt: skip


@pytest.fixture
def tools(oracle, tmp_path):
    def run(endian, tool, *arguments):
        command = oracle(f"{TRIPLETS[endian]}-{tool}")
        return subprocess.run(
            [command, *map(str, arguments)], check=True, capture_output=True, cwd=tmp_path,
            text=True, timeout=120,
        )  # fmt: skip

    return run


def sections(path):
    with path.open("rb") as file:
        return {
            section.name: (section["sh_addr"], section.data())
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & 2 or section.name.startswith(".debug")
        }


@pytest.mark.parametrize(
    "options", [["-O2"], ["-O1", "-g"], ["-O2", "-mcmodel=large"]], ids=" ".join
)
@pytest.mark.parametrize("endian", TRIPLETS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_ld_makes_the_same_program_of_our_object(program, endian, options, tools, tmp_path):
    source = tmp_path / "program.s"
    tools(endian, "gcc", *OPTIONS, *options, "-S", "-o", source, program)
    (tmp_path / "ours.o").write_bytes(
        assemble_object(source.read_text(), filename=str(source), endian=endian).data
    )
    tools(endian, "as", "-mpower9", "-o", "gnu.o", source)
    tools(endian, "objcopy", "-R", ".gnu.attributes", "gnu.o")
    found = []
    for name in ("ours", "gnu"):
        tools(endian, "ld", "-e", "_start", "-o", f"{name}.elf", f"{name}.o")
        found.append(sections(tmp_path / f"{name}.elf"))
        found[-1].pop(".debug_line", None)  # another version of the format, the same lines
    assert found[0] == found[1]
    read = tools(endian, "readelf", "-aW", "ours.o")
    assert "arning" not in read.stdout + read.stderr


ASSEMBLY = """
    .abiversion 2
    .globl twice, answer, add_extern
    .type twice, @function
twice:
    add 3, 3, 3
    blr
    .size twice, . - twice
    .type add_extern, @function
add_extern:
0:  addis 2, 12, .TOC. - 0b@ha
    addi 2, 2, .TOC. - 0b@l
    .localentry add_extern, . - add_extern
    mflr 0
    std 0, 16(1)
    stdu 1, -32(1)
    addis 9, 2, in_c@toc@ha
    lwz 4, in_c@toc@l(9)
    bl c_function
    nop
    addi 1, 1, 32
    ld 0, 16(1)
    mtlr 0
    blr
    .size add_extern, . - add_extern
    .data
    .balign 8
answer: .quad 42
    .type answer, @object
    .size answer, 8
"""
C = """
int in_c = 1000;
extern long answer;
int twice(int), add_extern(int);
int c_function(int a, int b) { return a + b; }
void _start(void) {
  register long number __asm__("r0") = 1;  /* exit */
  register long status __asm__("r3");
  status = twice(10) == 20 && answer == 42 && add_extern(7) == 1007 ? 55 : 1;
  number = 1;
  __asm__ volatile("sc" : : "r"(number), "r"(status));
}
"""


def test_our_object_links_with_c_and_runs(tools, oracle, tmp_path):
    (tmp_path / "ours.o").write_bytes(assemble_object(ASSEMBLY, endian="little").data)
    (tmp_path / "main.c").write_text(C)
    tools("little", "gcc", "-static", "-nostdlib", "-O1", "-o", "both", "main.c", "ours.o")
    done = subprocess.run([oracle("qemu-ppc64le"), tmp_path / "both"], check=False, timeout=120)
    assert done.returncode == 55


def test_what_no_relocation_can_say_is_refused():
    with pytest.raises(AssemblyError) as caught:
        assemble_object(
            " .quad there * 2\n .byte there, 0, 0, 0\n subfic 3,3,there@got@ha\n .quad there - that"
            "\n srwi 3,3,there"
        )
    assert [d.span.line for d in caught.value.diagnostics if d.severity == "error"] == [1, 2, 4, 5]


def test_org_counts_from_the_beginning_of_the_section():
    data = assemble_object("nop\n.org 0x20\nnop").data
    assert b"\x60\0\0\0" + bytes(28) + b"\x60\0\0\0" in data
