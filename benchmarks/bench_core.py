"""What the core costs besides plain speed: quanta, exits to Python, interrupts, snapshots.

CPU time of this process, median of 5, the measurements taking turns.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from emu.asm import assemble
from emu.core.machine import Exit, Machine
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
MSR = mask("MSR", "SF", "ME")
LOOP = """
_start: lis     9,2
        li      10,0
1:      ldx     5,9,10
        add     6,6,5
        addi    10,10,8
        andi.   10,10,0xff8
        xor     7,7,6
        cmpdi   6,0
        beq     2f
        stdx    7,9,10
2:      b       1b
"""


def guest(text: str, nvcpus: int = 1) -> Machine:
    """Make a machine that runs this text on each of its vcpus."""
    machine = Machine(nvcpus=nvcpus, nthreads=nvcpus)
    machine.new_memory(0, 1 << 20)
    program = assemble(text)
    for segment in program.segments:
        machine.write(0, segment.address, segment.data)
    for n in range(nvcpus):
        machine.thread[n].vcpu = n + 1
        machine.vcpu[n].nia, machine.vcpu[n].msr = program.entry, MSR
    return machine


def quantum(nvcpus: int, length: int, total: int) -> Callable[[], float]:
    """Instructions a second, in millions, of vcpus that take turns of `length` instructions."""
    machine = guest(LOOP, nvcpus)

    def work() -> float:
        run = machine.run
        start = time.process_time()
        for _ in range(total // (length * nvcpus)):
            for n in range(nvcpus):
                run(n, length)
        return total / (time.process_time() - start) / 1e6

    return work


def exits(total: int) -> Callable[[], float]:
    """Exits a second, in millions, that Python looks at and answers."""
    machine = guest("_start: li 3,4\n addi 4,4,1\n sc 1\n b _start")
    words, gpr = machine.words, machine.ref("vcpu", 0, "gpr")

    def work() -> float:
        run, hcall = machine.run, Exit.HCALL
        start = time.process_time()
        for _ in range(total):
            if run(0, 1000) is hcall:
                words[gpr + 3] = words[gpr + 4] + 1
        return total / (time.process_time() - start) / 1e6

    return work


def interrupts(total: int) -> Callable[[], float]:
    """System calls a second, in millions, that the guest itself handles."""
    machine = guest(".org 0xc00\n rfid\n.org 0x10000\n_start: addi 4,4,1\n sc\n b _start")

    def work() -> float:
        start = time.process_time()
        machine.run(0, 4 * total)
        return total / (time.process_time() - start) / 1e6

    return work


def steps(total: int) -> Callable[[], float]:
    """Single steps a second, in millions, with a look at NIA after each."""
    machine = guest(LOOP)
    words, nia = machine.words, machine.ref("vcpu", 0, "nia")

    def work() -> float:
        run = machine.run
        start = time.process_time()
        for _ in range(total):
            run(0, 1)
            if words[nia] == 0:
                raise AssertionError("the loop never gets to 0")
        return total / (time.process_time() - start) / 1e6

    return work


def restores(total: int) -> Callable[[], float]:
    """Restores a second, in millions, of a machine that has written to one page."""
    machine = guest("_start: lis 9,2\n std 9,0(9)\n sc 1")
    kept = machine.snapshot()

    def work() -> float:
        start = time.process_time()
        for _ in range(total):
            machine.run(0, 100)
            machine.restore(kept)
        return total / (time.process_time() - start) / 1e6

    return work


MEASUREMENTS: dict[str, tuple[str, Callable[[], float]]] = {
    "one vcpu, unlimited": ("MIPS", quantum(1, 50_000_000, 50_000_000)),
    **{
        f"4 vcpus, quantum {length}": ("MIPS", quantum(4, length, 4_000 * min(length, 10_000)))
        for length in (10, 50, 100, 1000, 10_000, 1_000_000)
    },
    "exits answered in Python": ("million/s", exits(300_000)),
    "system calls handled by the guest": ("million/s", interrupts(2_000_000)),
    "single steps seen by Python": ("million/s", steps(300_000)),
    "runs of 3 instructions and restores": ("million/s", restores(100_000)),
}


def main() -> None:
    """Print one line a measurement."""
    samples: dict[str, list[float]] = {name: [] for name in MEASUREMENTS}
    for _ in range(ROUNDS):
        for name, (_, work) in MEASUREMENTS.items():
            samples[name].append(work())
    for name, (unit, _) in MEASUREMENTS.items():
        print(f"{statistics.median(samples[name]):10.2f} {unit:10} {name}")


if __name__ == "__main__":
    main()
