"""gcc -S output assembles as it is, to the words that GNU as and ld give at the same addresses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from emu.asm import assemble_file
from emu.asm.elf_writer import write_elf
from emu.asm.sections import SHF_ALLOC

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.c"))
SOURCES = sorted((Path(__file__).parent / "linked").glob("*.s"))
# Name -> triplet, ABI version, byte order.
ABIS = {
    "big-v1": ("powerpc64-linux-gnu", 1, "big"),
    "big-v2": ("powerpc64-linux-gnu", 2, "big"),
    "little-v2": ("powerpc64le-linux-gnu", 2, "little"),
}
FREESTANDING = [
    "-ffreestanding", "-fno-stack-protector", "-msoft-float", "-mno-altivec", "-mno-vsx",
    "-mcpu=power9",
]  # fmt: skip
LEVELS = {
    "O0": ["-O0"], "O1": ["-O1"], "O2": ["-O2"], "O3": ["-O3"], "debug": ["-O2", "-g"],
    "unrolled": ["-O3", "-funroll-loops", "-mcpu=power8"], "small TOC": ["-O2", "-mcmodel=small"],
    "one section a function": ["-O2", "-ffunction-sections", "-fdata-sections", "-fPIC"],
}  # fmt: skip


@pytest.fixture
def tools(oracle, tmp_path):
    """Run one of the cross tools of an ABI."""

    def run(abi, tool, *arguments):
        command = oracle(f"{ABIS[abi][0]}-{tool}")
        subprocess.run(
            [command, *map(str, arguments)],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            timeout=120,
        )

    return run


def compiled(tools, abi, program, options, target):
    """Assembly text of a program, as the compiler leaves it."""
    version = f"-mabi=elfv{ABIS[abi][1]}"
    tools(abi, "gcc", *FREESTANDING, version, *options, "-S", "-o", target, program)
    return target


def script(sections):
    """A linker script that puts every section where ours is."""
    lines = ["SECTIONS {"]
    names = {section.name for section in sections}
    for section in sorted(sections, key=lambda section: section.address):
        name, inputs = section.name, f"*({section.name})"
        if name == ".toc" and ".got" in names:
            continue
        if name in (".got", ".toc"):
            name, inputs = ".got", "*(.got) *(.toc)"
        if name == ".bss":
            inputs += " *(COMMON)"
        lines.append(f"{name} {section.address:#x} : {{ {inputs} }}")
    lines.append("/DISCARD/ : { *(.comment) *(.note*) *(.gnu.attributes) }")
    return "\n".join([*lines, "}"])


def linked(tools, abi, source, sections, tmp_path):
    """Contents of the sections that GNU as and ld make of the same text."""
    (tmp_path / "script.ld").write_text(script(sections))
    tools(abi, "as", "-mpower9", "-o", "gnu.o", source)
    tools(
        abi,
        "ld",
        "-T",
        "script.ld",
        "-e",
        "_start",
        "--no-warn-rwx-segments",
        "-o",
        "gnu.elf",
        "gnu.o",
    )
    with (tmp_path / "gnu.elf").open("rb") as file:
        return {s.name: (s["sh_addr"], s.data()) for s in ELFFile(file).iter_sections()}


def words(data):
    return [data[at : at + 4].hex() for at in range(0, len(data), 4)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_compiler_output_gives_the_words_of_gnu_as_and_ld(program, abi, level, tools, tmp_path):
    source = compiled(tools, abi, program, LEVELS[level], tmp_path / "program.s")
    check(source, abi, tools, tmp_path)


@pytest.mark.parametrize("abi", ["big-v2", "little-v2"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_a_linker_decides_is_decided_as_ld_does(source, abi, tools, tmp_path):
    check(source, abi, tools, tmp_path)


def check(source, abi, tools, tmp_path):
    ours = assemble_file(source, endian=ABIS[abi][2])
    loaded = [section for section in ours.sections if section.flags & SHF_ALLOC]
    theirs = linked(tools, abi, source, loaded, tmp_path)
    for section in loaded:
        if section.name == ".toc" and any(other.name == ".got" for other in loaded):
            continue
        if section.name == ".toc":  # entries that nobody needs are zeros here, and gone there
            address, data = theirs[".got"]
            assert words(section.data)[: len(data) // 4] == words(data)
            assert address == section.address
        elif section.data:
            address, data = theirs[section.name]
            assert words(section.data) == words(data), section.name
            assert address == section.address


def test_debuggers_find_the_lines_of_c_programs(tools, oracle, tmp_path):
    source = compiled(tools, "little-v2", PROGRAMS[0], ["-O1", "-g"], tmp_path / "program.s")
    program = assemble_file(source, endian="little")
    path = tmp_path / "program.elf"
    path.write_bytes(write_elf(program, debug=True))
    out = subprocess.run(
        [oracle("gdb-multiarch"), "-nx", "-batch", "-ex", "info line main", path],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    lines = PROGRAMS[0].read_text().splitlines()
    number = next(n for n, text in enumerate(lines, 1) if text == "int main(void)")
    assert PROGRAMS[0].name in out
    assert f"Line {number}" in out or f"Line {number + 1}" in out
    main = program.line_at(program.symbols["main"].address)
    assert main.file.endswith(PROGRAMS[0].name)
    readelf = subprocess.run(
        [oracle("powerpc64le-linux-gnu-readelf"), "-aW", "--debug-dump", path],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "arning" not in readelf.stdout + readelf.stderr
