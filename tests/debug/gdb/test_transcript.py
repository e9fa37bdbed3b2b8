"""The transcript in docs/gdb.md is what gdb prints, and the page's list of registers is whole."""

import re
import subprocess

from processes import PATIENCE_S

from debug.gdb.conftest import ROOT, STUB, assembled, quote
from emu.debug.gdb.registers import registers_of

PAGE = (ROOT / "docs/gdb.md").read_text()


def steady(text):
    """Leave out blanks and positions, which change whenever the hypervisor does."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [re.sub(r"@\d+", "@N", line) for line in lines if line]


def test_the_transcript_is_what_gdb_prints(oracle, tmp_path, monkeypatch):
    transcript = re.search(r"```gdb\n(.*?)\n```", PAGE, re.DOTALL)[1]
    commands = re.findall(r"^\(gdb\) (.*)$", transcript, re.MULTILINE)
    assert len(commands) > 10
    monkeypatch.chdir(ROOT)
    program = assembled("guests/token_ring.s", tmp_path / "ring.elf")
    arguments = [oracle("gdb-multiarch"), "-nx", "-q", "-batch", "-ex", "set height 0"]
    arguments += ["-ex", f"target remote | {STUB} {quote(program)} --smt 2 --stdio"]
    for command in commands:
        arguments += ["-ex", f"echo (gdb) {command}\\n", "-ex", command]
    done = subprocess.run(
        [*arguments, program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    said = done.stdout[done.stdout.index("(gdb) ") :]
    assert steady(said) == steady(transcript)


def test_the_page_names_the_registers_of_the_hypervisor_and_the_doorbells():
    for row in registers_of(9):
        if row.group in ("hyp", "doorbell"):
            assert f"`${row.name}`" in PAGE
