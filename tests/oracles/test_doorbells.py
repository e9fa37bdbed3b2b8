"""Doorbell scenarios, written once and run on QEMU 10: each prints the same every time.

The images are flat and big-endian, loaded at 0 and entered at 0x100 on a pseries machine without
firmware. The first line of a scenario names the SMT modes it is made for.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from . import qemu

SCENARIOS = Path(__file__).parent / "doorbells"


def cases() -> list[tuple[str, int]]:
    found = []
    for path in sorted(SCENARIOS.glob("*.s")):
        modes = re.match(r"# smt:((?: \d+)+)\n", path.read_text())
        assert modes, f"{path.name} must begin with `# smt: N...`"
        found += [(path.stem, int(smt)) for smt in modes[1].split()]
    return found


@pytest.fixture(scope="session")
def assemble(oracle, tmp_path_factory):
    """Assemble a scenario for an SMT mode with GNU as: path of the flat image."""
    directory = tmp_path_factory.mktemp("doorbells")

    def gnu(name: str, smt: int) -> Path:
        base = directory / f"{name}.{smt}"
        tools = "powerpc64-linux-gnu-"
        source = [f"{name}.s", "-o", f"{base}.o"]
        subprocess.run(
            [oracle(tools + "as"), "-mpower9", "--defsym", f"SMT={smt}", *source],
            cwd=SCENARIOS,
            check=True,
        )
        link = ["-Ttext=0", "-e", "0x100", f"{base}.o", "-o", f"{base}.elf"]
        subprocess.run([oracle(tools + "ld"), *link], check=True)
        subprocess.run(
            [oracle(tools + "objcopy"), "-O", "binary", f"{base}.elf", f"{base}.bin"], check=True
        )
        return Path(f"{base}.bin")

    return gnu


@pytest.mark.parametrize(("name", "smt"), cases())
def test_scenario_ends_on_qemu_and_prints(name, smt, oracle, assemble):
    console = qemu.run(qemu.qemu_system(oracle), assemble(name, smt), threads=smt)
    assert console.endswith(b"\n")
