"""Doorbells, entries and exits a second: CPU time of this process, median of five rounds.

Peers are figures from another run on a machine like this one: QEMU 10 (pseries, TCG, one thread)
for round trips of doorbells, and a hypervisor in Python over a C interpreter that returns at every
exit, for exits.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from emu.asm import assemble
from emu.hv import Event, Host, RoundRobin

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
INSNS = 20_000_000

VECTORS = """
        .org 0xa00
        li 17,1
        rfid
        .org 0x10000
        .globl _start
_start: mr 14,3
        li 16,1
        sldi 16,16,63                   # MSR: SF, EE, ME
        ori 15,16,0x9000
        xori 6,14,1                     # the other one
        li 5,5
        sldi 5,5,27
        or 5,5,6
        li 17,0
        cmpdi 14,0
        bne wait
"""

# A doorbell there and one back: the waiting side spins with interrupts on, or sleeps in H_CEDE.
SPIN = """
send:   msgsndp 5
        addi 20,20,1
wait:   mtmsrd 15,1
1:      or 31,31,31
        cmpdi 17,0
        beq 1b
        li 17,0
        b send
"""
CEDE = """
send:   msgsndp 5
        addi 20,20,1
wait:   li 3,0xe0
        sc 1
        cmpdi 17,0
        beq wait
        li 17,0
        b send
"""
# An hcall that the kernel handles and returns from: on POWER8 the whole vcore leaves the guest.
HCALL = "1: li 3,0x300\n sc 1\n addi 20,20,1\n b 1b\n"


class Case(NamedTuple):
    """One line of the table. count: what of a run is counted; peer: its figure a second."""

    name: str
    host: str
    vcpus: int
    source: str
    slice_insns: int
    count: Callable[[Host], int]
    peer_name: str
    peer: float


def round_trips(host: Host) -> int:
    """How often a doorbell went there and back."""
    return int(host.words[host.vcpus[0].gpr(20)])


def entries(host: Host) -> int:
    """How often the guest was entered, and so left."""
    return sum(host.counts(vcpu.index)[Event.ENTER] for vcpu in host.vcpus)


QEMU = ("QEMU 10 TCG, 1.25 to 1.62 M/s", 1.62e6)
PYTHON = ("exits handled in Python, 3.8 M/s", 3.8e6)
CASES = (
    Case("round trips, native, spinning", "power8", 2, VECTORS + SPIN, 8, round_trips, *QEMU),
    Case("round trips, native, H_CEDE", "power8", 2, VECTORS + CEDE, 1000, round_trips, *QEMU),
    Case("round trips, trapped, spinning", "power9", 2, VECTORS + SPIN, 8, round_trips, *QEMU),
    Case("round trips, trapped, H_CEDE", "power9", 2, VECTORS + CEDE, 1000, round_trips, *QEMU),
    Case("entries and exits, H_RANDOM", "power9", 1, "_start:" + HCALL, 1000, entries, *PYTHON),
    Case("entries and exits of a vcore", "power8", 1, "_start:" + HCALL, 1000, entries, *PYTHON),
)


def per_second(case: Case) -> float:
    """Run a case once, after a short run that learns the host code."""
    host = Host(case.host)
    vm = host.create_vm(memory=1 << 20, smt=2)
    for vcpu_id in range(case.vcpus):
        vm.create_vcpu(vcpu_id)
    vm.load(assemble(case.source))
    scheduler = RoundRobin(case.slice_insns)
    host.run(scheduler, max_insns=100_000)
    before, start = case.count(host), time.process_time()
    host.run(scheduler, max_insns=INSNS)
    return (case.count(host) - before) / (time.process_time() - start)


def main() -> None:
    """Print one line a case; the rounds are interleaved."""
    rates: dict[str, list[float]] = {case.name: [] for case in CASES}
    for _ in range(ROUNDS):
        for case in CASES:
            rates[case.name].append(per_second(case))
    for case in CASES:
        rate = statistics.median(rates[case.name])
        print(
            f"{case.name:31} {case.host}  {rate / 1e6:6.2f} M/s"
            f"  {rate / case.peer:5.2f} x {case.peer_name}"
        )


if __name__ == "__main__":
    main()
