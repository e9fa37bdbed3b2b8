"""Runs a program on our own pseries machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.host import Host
from emu.hv.pseries import Pseries

if TYPE_CHECKING:
    from emu.asm import Program
    from emu.hv.host import Outcome

MEGABYTE = 1 << 20
# Ten times what the longest of these programs needs: a run that goes astray ends.
MAX_INSNS = 3_000_000_000


def run_pseries(
    program: Program,
    *,
    host: str = "power9",
    threads: int = 1,
    memory: int = 64 * MEGABYTE,
    bootargs: str = "",
) -> tuple[Outcome, list[str]]:
    """How the run ended, and the lines of the console."""
    machine = Host(host)
    vm = machine.create_vm(memory=memory, smt=threads)
    board = Pseries(vm, bootargs=bootargs)
    for _ in range(threads):
        vm.create_vcpu()
    board.load(program)
    outcome = machine.run(max_insns=MAX_INSNS)
    return outcome, vm.console.decode("latin-1").splitlines()
