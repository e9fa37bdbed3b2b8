"""Call frames: the tables of GNU as, and what debuggers make of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from emu.asm import assemble, assemble_listing, assemble_object
from emu.asm.elf_writer import write_elf

SOURCES = sorted((Path(__file__).parent / "frames").glob("*.s"))
TRIPLETS = {"big": "powerpc64-linux-gnu", "little": "powerpc64le-linux-gnu"}


@pytest.fixture
def tools(oracle, tmp_path):
    def run(endian, tool, *arguments):
        done = subprocess.run(
            [oracle(f"{TRIPLETS[endian]}-{tool}"), *map(str, arguments)],
            check=True, capture_output=True, cwd=tmp_path, text=True, timeout=120,
        )  # fmt: skip
        return done.stdout

    return run


def tables(tools, endian, name):
    """Contents and relocations of the sections that hold call frames."""
    wanted = [
        s for s in (".eh_frame", ".debug_frame") if s in tools(endian, "readelf", "-SW", name)
    ]
    assert wanted
    options = [word for section in wanted for word in ("-j", section)]
    return tools(endian, "objdump", "-rs", *options, name).split("\n", 2)[2]


@pytest.mark.parametrize("endian", TRIPLETS)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_an_object_has_the_tables_of_gnu_as(source, endian, tools, tmp_path):
    ours = assemble_object(source.read_text(), filename=str(source), endian=endian).data
    (tmp_path / "ours.o").write_bytes(ours)
    tools(endian, "as", "-o", "gnu.o", source)
    assert tables(tools, endian, "ours.o") == tables(tools, endian, "gnu.o")


@pytest.mark.parametrize("source", [s for s in SOURCES if s.stem != "sharing"],
                         ids=lambda path: path.stem)  # fmt: skip
def test_a_program_has_the_frames_of_gnu_ld(source, tools, tmp_path):
    program = assemble(source.read_text(), filename=str(source))
    (tmp_path / "ours.elf").write_bytes(write_elf(program))
    tools("big", "as", "-o", "gnu.o", source)
    places = [
        f"--section-start={row.name}={row.address:#x}" for row in program.sections if row.address
    ]
    tools("big", "ld", "-e", "0x10000", *places, "gnu.o", "-o", "gnu.elf")
    ours, gnu = (
        tools("big", "readelf", "--debug-dump=frames", f"{name}.elf") for name in ("ours", "gnu")
    )
    assert "FDE" in ours
    assert ours == gnu


def test_frames_in_parts_that_org_placed_cover_their_own_code(tools, tmp_path):
    source = """
        .org 0x500
        .cfi_startproc
        mflr 0
        .cfi_register lr, r0
        blr
        .cfi_endproc
        .org 0x10000
_start: .cfi_startproc
        .cfi_undefined lr
        b .
        .cfi_endproc"""
    (tmp_path / "ours.elf").write_bytes(write_elf(assemble(source)))
    text = tools("big", "readelf", "--debug-dump=frames", "ours.elf")
    assert "pc=0000000000000500..0000000000000508" in text
    assert "pc=0000000000010000..0000000000010004" in text


def test_no_frames_no_tables():
    names = {row.name for row in assemble("_start: b .").sections}
    assert names == {".text"}
    source = ".cfi_sections\n.cfi_startproc\nnop\n.cfi_endproc"
    assert {row.name for row in assemble(source).sections} == {".text"}


def test_the_listing_shows_the_tables_where_their_frame_begins():
    _, text = assemble_listing("f: .cfi_startproc\nblr\n.cfi_endproc\n", filename="f.s")
    rows = [line.split() for line in text.splitlines()]
    assert ["1", "00011000", "00000010", "f:", ".cfi_startproc"] in rows
    assert ["1", "00011020", "00000004"] in rows  # the size of the code
    assert ["2", "00010000", "4E800020", "blr"] in rows
