"""What a pseries machine promises its programs, as a C program finds it on QEMU 10."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from . import qemu

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "pseries/contract.c"
PARTS = ("tree", "hcalls", "vpa", "rtas", "secondary", "time", "interrupts")
KINDS = ("be", "le", "pie.be", "pie.le")


@pytest.fixture(scope="session")
def built(oracle, tmp_path_factory) -> Path:
    """The directory of contract.KIND and of what QEMU needs to start it."""
    oracle("powerpc64-linux-gnu-gcc")
    oracle("powerpc64le-linux-gnu-gcc")
    out = tmp_path_factory.mktemp("contract")
    command = ["make", "-s", "-C", str(ROOT / "guests"), f"OUT={out}", f"GUESTS={PROGRAM}"]
    subprocess.run(command, check=True)
    return out


def on_qemu(path: str, built: Path, kind: str, part: str, threads: int) -> list[str]:
    pie = kind.startswith("pie")
    console = qemu.run(
        path,
        built / ("boot.pie.bin" if pie else "boot.bin"),
        threads=threads,
        machine="" if pie else "kernel-addr=0",
        options=[
            *("-m", "256", "-kernel", str(built / f"contract.{kind}"), "-append", part),
            *("-object", "rng-builtin,id=random", "-device", "spapr-rng,rng=random"),
        ],
    )
    return console.decode().replace("\r", "").splitlines()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_contract_program_ends_well_on_qemu(kind, part, oracle, built):
    lines = on_qemu(qemu.qemu_system(oracle), built, kind, part, threads=4)
    assert lines[-1] == "EXIT: STATUS=1"
