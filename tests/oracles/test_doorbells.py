"""Doorbell scenarios, written once: QEMU 10 and our POWER8 and POWER9 hosts print the same.

The images are flat and big-endian, loaded at 0 and entered at 0x100 on a pseries machine without
firmware. The first line of a scenario names the SMT modes it is made for.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from emu.asm import Program, assemble_file

from . import qemu
from .boards import run_pseries

SCENARIOS = Path(__file__).parent / "doorbells"


def cases() -> list[tuple[str, int]]:
    found = []
    for path in sorted(SCENARIOS.glob("*.s")):
        modes = re.match(r"# smt:((?: \d+)+)\n", path.read_text())
        assert modes, f"{path.name} must begin with `# smt: N...`"
        found += [(path.stem, int(smt)) for smt in modes[1].split()]
    return found


@cache
def program(name: str, smt: int) -> Program:
    return assemble_file(SCENARIOS / f"{name}.s", defines={"SMT": smt}, text_base=0)


def image(name: str, smt: int) -> bytes:
    """The scenario as a flat image, by our assembler."""
    return program(name, smt).read(0, max(s.end for s in program(name, smt).segments))


@pytest.fixture(scope="session")
def on_qemu(oracle, tmp_path_factory):
    """What a scenario prints on QEMU; each runs there once."""
    directory = tmp_path_factory.mktemp("doorbells")

    @cache
    def run(name: str, smt: int) -> list[str]:
        flat = directory / f"{name}.{smt}.bin"
        flat.write_bytes(image(name, smt))
        console = qemu.run(qemu.qemu_system(oracle), flat, threads=smt)
        return console.decode().replace("\r", "").splitlines()

    return run


@pytest.mark.parametrize(("name", "smt"), cases())
def test_our_assembler_and_gnu_as_give_the_same_image(name, smt, oracle, tmp_path):
    tools = "powerpc64-linux-gnu-"
    base = tmp_path / name
    source = [f"{name}.s", "-o", f"{base}.o"]
    command = [oracle(tools + "as"), "-mpower9", "--defsym", f"SMT={smt}", *source]
    subprocess.run(command, cwd=SCENARIOS, check=True)
    link = ["-Ttext=0", "-e", "0x100", f"{base}.o", "-o", f"{base}.elf"]
    subprocess.run([oracle(tools + "ld"), *link], check=True)
    copy = ["-O", "binary", f"{base}.elf", f"{base}.bin"]
    subprocess.run([oracle(tools + "objcopy"), *copy], check=True)
    assert Path(f"{base}.bin").read_bytes() == image(name, smt)


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize(("name", "smt"), cases())
def test_scenario_prints_here_what_it_prints_on_qemu(name, smt, host, on_qemu):
    expected = on_qemu(name, smt)
    assert expected
    outcome, lines = run_pseries(program(name, smt), host=host, threads=smt)
    assert lines == expected
    assert (outcome.kind, outcome.status) == ("exit", 0)
