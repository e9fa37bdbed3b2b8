"""How fast guests run: MIPS of the core and of qemu-ppc64 on the programs in programs/.

Each program is built twice, for a few rounds and for many; MIPS is what the many take more, in
instructions (counted by the core) over CPU time (user and system, of the child), so that start-up,
decoding and translation do not count. Engines take turns; medians; ratios are what to quote.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile

from emu.core.machine import Exit, Machine

PROGRAMS = Path(__file__).parent / "programs"
NAMES = ("sieve", "crc", "fib", "sort", "copy", "matmul", "records", "mix")
MEMORY = 16 << 20
MSR_SF = 1 << 63
H_EXIT = 0xF100


def load(path: Path) -> Machine:
    """Make a machine with a bare program in it, at its entry point."""
    machine = Machine()
    machine.new_memory(0, MEMORY)
    with path.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            machine.write(0, segment["p_paddr"], segment.data())
        vcpu = machine.vcpu[0]
        vcpu.nia = image["e_entry"]
    vcpu.msr = MSR_SF
    vcpu.gpr[1] = MEMORY
    machine.thread[0].vcpu = 1
    return machine


def run(path: Path, quantum: int = 1 << 62) -> int:
    """Run a bare program to its end, a quantum at a time; return its instructions."""
    machine = load(path)
    vcpu = machine.vcpu[0]
    gpr = vcpu.gpr
    while True:
        reason = machine.run(0, quantum)
        if reason is Exit.HCALL:
            if gpr[3] == H_EXIT:
                if gpr[4] != 0:
                    raise AssertionError(f"{path} failed")
                return vcpu.ic
        elif reason is not Exit.BUDGET:
            raise AssertionError(f"{path}: {reason!r} at {vcpu.nia:#x}")


def cpu_time(command: list[str]) -> float:
    """Seconds of CPU time that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def geometric_mean(values: list[float]) -> float:
    """What ratios are averaged by."""
    return math.exp(statistics.fmean(map(math.log, values)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=5)
    parser.add_argument("--many", type=int, default=105)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks").absolute())
    parser.add_argument("--only", nargs="*", default=NAMES)
    parser.add_argument("--run", type=Path, help="run one bare program and say nothing")
    parser.add_argument("--no-qemu", action="store_true")
    options = parser.parse_args()
    if options.run:
        run(options.run)
        return
    scales = (options.few, options.many)
    subprocess.run(
        [
            "make", "-s", "-C", PROGRAMS, f"OUT={options.out}", "MACHINES=user bare",
            f"SCALES={scales[0]} {scales[1]}",
        ],
        check=True,
    )  # fmt: skip
    engines = {"emu": [sys.executable, __file__, "--run"], "qemu-ppc64": ["qemu-ppc64"]}
    places = {"emu": "bare", "qemu-ppc64": "user"}
    if options.no_qemu:
        del engines["qemu-ppc64"]
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    ratios = []
    print(f"{'':10}" + "".join(f"{name:>12}" for name in engines) + f"{'emu/qemu':>10}")
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for name in options.only:
        counts = [run(options.out / "bare" / f"{name}.{scale}") for scale in scales]
        times: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(options.rounds):
            for engine, command in engines.items():
                few, many = (
                    cpu_time([*command, str(options.out / places[engine] / f"{name}.{scale}")])
                    for scale in scales
                )
                times[engine].append(many - few)
        line = f"{name:10}"
        for engine, samples in times.items():
            rates[engine].append((counts[1] - counts[0]) / statistics.median(samples) / 1e6)
            line += f"{rates[engine][-1]:12.0f}"
        if len(engines) == 2:
            ratios.append(rates["emu"][-1] / rates["qemu-ppc64"][-1])
            line += f"{ratios[-1]:10.3f}"
        print(line, flush=True)
    means = "".join(f"{geometric_mean(samples):12.0f}" for samples in rates.values())
    print(f"{'geomean':10}{means}" + (f"{geometric_mean(ratios):10.3f}" if ratios else ""))


if __name__ == "__main__":
    main()
