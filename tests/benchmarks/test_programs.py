"""The benchmark programs compute what they say, natively and under QEMU's user mode."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(p.stem for p in (ROOT / "benchmarks/programs").glob("*.c") if p.stem != "start")


@pytest.fixture(scope="session")
def built(oracle, tmp_path_factory) -> Path:
    """The directory that holds MACHINE/NAME.2 for each machine and program."""
    oracle("powerpc64-linux-gnu-gcc")
    out = tmp_path_factory.mktemp("benchmarks")
    command = ["make", "-s", "-C", str(ROOT / "benchmarks/programs"), f"OUT={out}", "SCALES=2"]
    subprocess.run(command, check=True)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_gives_one_checksum_everywhere(name, built, oracle):
    native = subprocess.run([built / f"native/{name}.2"], capture_output=True, check=True)
    user = subprocess.run(
        [oracle("qemu-ppc64"), built / f"user/{name}.2"], capture_output=True, check=True
    )
    assert native.stdout == user.stdout
    assert native.stdout.endswith(f" {name}\n".encode())
