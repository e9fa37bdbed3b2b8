"""How long going back takes: one instruction, and to the last change of a word, in a long run.

Prints the median over repetitions, in milliseconds, at several places of a run of 10 million
steps; the target is 100 ms for one instruction. There is no peer in the same run.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from emu.asm import assemble
from emu.debug.session import Session
from emu.hv.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 10_000_000
REPETITIONS = 9
GUESTS = {
    "loop of loads and stores": """
_start: lis 9,0x7000
        mtctr 9
1:      addi 10,10,1
        std 10,0x3000(0)
        ld 11,0x3000(0)
        bdnz 1b
""",
    "doorbells (trapped)": """
_start: lis 5,0x2800
1:      addi 10,10,1
        msgsndp 5
        msgclrp 5
        b 1b
""",
}


def milliseconds(action: Callable[[], object]) -> float:
    """Median time of an action that is repeated."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    """Print the table."""
    print(f"{'guest':28}{'at step':>12}{'reverse-stepi':>16}{'forward run':>14}")
    for name, source in GUESTS.items():
        host = Host("power9")
        vm = host.create_vm(memory=16 << 20, smt=2)
        vm.create_vcpu()
        vm.create_vcpu()
        program = assemble(source)
        vm.load(program)
        session = Session(host, program)
        start = time.perf_counter()
        session.goto(STEPS)
        forward = 1000 * (time.perf_counter() - start)
        for at in (STEPS, STEPS // 2, STEPS // 50):
            session.goto(at)
            taken = milliseconds(session.reverse_stepi)
            print(f"{name:28}{at:12}{taken:13.1f} ms{forward:11.0f} ms")


if __name__ == "__main__":
    main()
