"""The instruction table and the bodies agree, or the core does not compile."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from emu.isa import emit
from emu.isa.table import INSNS

CSRC = Path(__file__).parents[2] / "csrc"
SEQUENCES = (CSRC / "sequences.txt").read_text()


@pytest.fixture(scope="module")
def compiler():
    path = shutil.which("gcc") or shutil.which("cc")
    assert path, "the core was compiled, so there is a compiler"
    return path


@pytest.fixture
def errors(compiler, tmp_path):
    """A function that compiles a changed copy of the core, and returns what was said."""

    def compile_with(name="body.h", old="", new="", header=None):
        for source in CSRC.iterdir():
            shutil.copy(source, tmp_path)
        path = tmp_path / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        (tmp_path / "isa_gen.h").write_text(header or emit.c_header(SEQUENCES))
        done = subprocess.run(
            [compiler, "-std=gnu11", "-O0", "-fsyntax-only",
             "-Werror=implicit-function-declaration", "-I.", "loop_step.c"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.stderr if done.returncode else ""

    return compile_with


def test_the_core_as_it_is_compiles(errors):
    assert errors() == ""


def test_a_row_without_a_body_does_not_compile(errors):
    said = errors("exec_fixed.h", "INSN(addg6s)", "INSN(cbcdtd_lost)")
    assert "addg6s" in said


def test_a_body_without_a_row_does_not_compile(errors):
    said = errors("exec_system.h", "INSN(rfid)", "INSN(rfscv) { return EMU_NEXT; }\nINSN(rfid)")
    assert "EMU_ROW_rfscv" in said


def test_a_row_that_is_taken_out_leaves_its_body_an_orphan(errors, monkeypatch):
    monkeypatch.setattr(emit, "INSNS", tuple(row for row in INSNS if row.name != "modsw"))
    assert "EMU_ROW_modsw" in errors(header=emit.c_header(SEQUENCES))


def test_two_operands_cannot_share_a_slot(monkeypatch):
    monkeypatch.setitem(emit._SLOT_OF, "RB", "b")
    with pytest.raises(ValueError, match="share slot b"):
        emit.c_header(SEQUENCES)


def test_architected_numbers_are_not_typed_in_c():
    """Vectors and MSR bits have names; their values stand in the generated header only."""
    for source in CSRC.glob("*.[ch]"):
        text = source.read_text()
        for number in ("0x700", "0xf80", "0xF80", "0xa00", "0xA00", "0x8000000000000000"):
            assert number not in text, (source.name, number)
