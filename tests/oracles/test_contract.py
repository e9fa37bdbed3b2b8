"""What a pseries machine promises its programs: a C program finds the same here and on QEMU 10."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from emu.asm.elf import read_elf

from . import qemu
from .boards import MEGABYTE, run_pseries

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "pseries/contract.c"
PARTS = (
    *("tree", "hcalls", "vpa", "rtas", "secondary", "ipi", "time", "interrupts"),
    *("reserve", "strings", "timers"),
)
KINDS = ("be", "le", "pie.be", "pie.le")
THREADS = 4
MEMORY = 256

# QEMU has these in its tree, and we have nothing that they could say.
ONLY_ON_QEMU = ("/rtas rtas-event-scan-rate ", "/rtas rtas-size ")


@pytest.fixture(scope="session")
def built(oracle, tmp_path_factory) -> Path:
    """The directory of contract.KIND and of what QEMU needs to start it."""
    oracle("powerpc64-linux-gnu-gcc")
    oracle("powerpc64le-linux-gnu-gcc")
    out = tmp_path_factory.mktemp("contract")
    command = ["make", "-s", "-C", str(ROOT / "guests"), f"OUT={out}", f"GUESTS={PROGRAM}"]
    subprocess.run(command, check=True)
    return out


@pytest.fixture(scope="session")
def on_qemu(oracle, built):
    """What a part prints on QEMU; both byte orders and both ways to link run there once."""

    @cache
    def run(kind: str, part: str) -> list[str]:
        pie = kind.startswith("pie")
        console = qemu.run(
            qemu.qemu_system(oracle),
            built / ("boot.pie.bin" if pie else "boot.bin"),
            threads=THREADS,
            machine="" if pie else "kernel-addr=0",
            options=[
                *("-m", str(MEMORY), "-kernel", str(built / f"contract.{kind}")),
                *("-append", part),
                *("-object", "rng-builtin,id=random", "-device", "spapr-rng,rng=random"),
            ],
        )
        lines = console.decode().replace("\r", "").splitlines()
        assert lines[-1] == "EXIT: STATUS=1"
        return lines

    return run


# `time` takes seconds on QEMU: once in each byte order.
CASES = [
    (kind, part) for part in PARTS for kind in KINDS if part != "time" or kind.startswith("pie")
]


@pytest.mark.parametrize(("kind", "part"), CASES)
def test_a_program_finds_here_what_it_finds_on_qemu(kind, part, built, on_qemu):
    name = f"contract.{kind}"
    program = read_elf((built / name).read_bytes(), name)
    outcome, lines = run_pseries(program, threads=THREADS, memory=MEMORY * MEGABYTE, bootargs=part)
    expected = [line for line in on_qemu(kind, part) if not line.startswith(ONLY_ON_QEMU)]
    if part == "tree":  # whose properties have no order
        lines.sort()
        expected.sort()
    assert lines == expected
    assert (outcome.kind, outcome.status) == ("exit", 0)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in {"tree", "interrupts"}])
def test_a_power8_host_keeps_the_same_promises(part, built):
    program = read_elf((built / "contract.pie.be").read_bytes(), "contract.pie.be")
    arguments = {"threads": THREADS, "memory": MEMORY * MEGABYTE, "bootargs": part}
    _, lines8 = run_pseries(program, host="power8", **arguments)
    _, lines9 = run_pseries(program, host="power9", **arguments)
    assert lines8 == lines9


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize("kind", ["pie.be", "pie.le"])
def test_what_qemu_leaves_out_is_as_on_hardware(kind, host, built):
    """QEMU's stores without a reservation never look at the address; its decrementer stays due."""
    program = read_elf((built / f"contract.{kind}").read_bytes(), kind)
    _, lines = run_pseries(program, host=host, bootargs="strict")
    assert lines[:4] == [
        "unaligned stwcx.: 1, vector 600, srr0 4, srr1 8000000000001000",
        "unaligned stdcx.: 1, vector 600, srr0 4, srr1 8000000000001000",
        "7",
        "wrapped to positive: 0",
    ]
