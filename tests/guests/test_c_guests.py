"""The C guests print what their headers say: on QEMU's pseries machine and on our machines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from oracles import qemu
from oracles.boards import MAX_INSNS, run_pseries

from emu.asm.elf import read_elf
from emu.hv.host import Host

GUESTS = Path(__file__).parents[2] / "guests"


def header(name: str, field: str) -> list[str]:
    """The values of ` * field: value` in the comment that opens guests/NAME.c."""
    comment = (GUESTS / f"{name}.c").read_text().split("*/")[0]
    return re.findall(rf"^ \* {field}:\s*(.*)$", comment, re.MULTILINE)


def cases() -> list[tuple[str, str, int]]:
    """Each guest, built in four ways, in its SMT modes; position-independent in the largest."""
    found = []
    for path in sorted(GUESTS.glob("*.c")):
        modes = [int(smt) for smt in " ".join(header(path.stem, "smt")).split()]
        assert modes, f"{path.name} must name its SMT modes: ` * smt: N...`"
        found += [(path.stem, kind, smt) for kind in ("be", "le") for smt in modes]
        found += [(path.stem, kind, max(modes)) for kind in ("pie.be", "pie.le")]
    return found


def pattern(name: str) -> re.Pattern[str]:
    """What the header promises: the lines in this order; {n} is any word, more may come between."""
    lines = [re.sub(r"\\{\w+\\}", r"\\w+", re.escape(line)) for line in header(name, "prints")]
    return re.compile("\n(?:.*\n)*?".join(lines))


@pytest.fixture(scope="session")
def built(oracle, tmp_path_factory) -> Path:
    """The directory of what guests/Makefile makes."""
    oracle("powerpc64-linux-gnu-gcc")
    oracle("powerpc64le-linux-gnu-gcc")
    out = tmp_path_factory.mktemp("c_guests")
    subprocess.run(["make", "-s", "-C", str(GUESTS), f"OUT={out}"], check=True)
    return out


@pytest.mark.parametrize(("name", "kind", "smt"), cases())
def test_c_guest_prints_its_header_on_qemu(name, kind, smt, oracle, built):
    pie = kind.startswith("pie")
    console = qemu.run(
        qemu.qemu_system(oracle),
        built / ("boot.pie.bin" if pie else "boot.bin"),
        threads=smt,
        machine="" if pie else "kernel-addr=0",
        options=["-kernel", str(built / f"{name}.{kind}")],
    )
    text = console.decode().replace("\r", "")
    assert pattern(name).search(text), text
    assert text.endswith("EXIT: STATUS=1\n"), text


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize(("name", "kind", "smt"), cases())
def test_c_guest_prints_its_header_on_our_pseries_machine(name, kind, smt, host, built):
    program = read_elf((built / f"{name}.{kind}").read_bytes(), name)
    outcome, lines = run_pseries(program, host=host, threads=smt)
    text = "\n".join(lines)
    assert pattern(name).search(text), text
    assert lines[-1] == "EXIT: STATUS=1"
    assert (outcome.kind, outcome.status) == ("exit", 0)


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize(
    ("name", "kind", "smt"), [case for case in cases() if not case[1].startswith("pie")]
)
def test_c_guest_prints_its_header_on_the_bare_machine(name, kind, smt, host, built):
    machine = Host(host)
    vm = machine.create_vm(smt=smt)
    for _ in range(smt):
        vm.create_vcpu()
    vm.load(read_elf((built / f"{name}.{kind}").read_bytes(), name))
    outcome = machine.run(max_insns=MAX_INSNS)
    text = vm.console.decode()
    assert pattern(name).search(text), text
    assert (outcome.kind, outcome.status) == ("exit", 0)
