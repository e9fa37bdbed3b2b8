"""The fuzzer: programs a second beside starting QEMU once a case; how soon it finds the zoo's bugs.

Usage: bench_fuzz.py [--zoo [--seeds N] [--limit SECONDS] [BUG...]]. CPU seconds of one core.

Without --zoo: for each host programs of two threads, fresh from Hypothesis and mutated from what
those left in the corpus, each explored up to the fuzzer's own bound of states; medians of 5
rounds in turn with the peer, `qemu-ppc64` on a program that exits at once. A program of the
fuzzer is every interleaving on a machine with a hypervisor, a start of QEMU is one run of nothing.

With --zoo: campaigns with one bug of the zoo on, no other hint, until the first finding.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emu.explore.zoo import ZOO, concerned
from emu.fuzz.campaign import PARENTS, campaign
from emu.fuzz.plan import CHUNK, HOSTS, Chunk, Plan
from emu.fuzz.programs import Bounds
from emu.fuzz.worker import Worker

if TYPE_CHECKING:
    from emu.fuzz.plan import Batch

ROUNDS = 5
CHUNKS = 4  # of one measurement
STARTS = 20
PEER = ("qemu-ppc64", "powerpc64-linux-gnu-as", "powerpc64-linux-gnu-ld")
TWO = Bounds(threads=2)


class Rates:
    """Programs a second of one host, of the two kinds, on machines that know the host code."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.worker = Worker(Plan((host,), None, bounds=TWO))
        self.number = 0
        self.corpus = self.chunks()

    def chunks(self, *, mutated: bool = False) -> Batch:
        """Do some chunks, other ones each time."""
        total = None
        for _ in range(CHUNKS):
            parents = ()
            if mutated:
                cheapest = sorted(self.corpus.kept, key=lambda kept: kept.states)
                parents = tuple(kept.program for kept in cheapest[:PARENTS])
            batch = self.worker.do(Chunk(self.number, self.host, CHUNK, parents))
            self.number += 1
            if total is None:
                total = batch
            else:
                total.add(batch)
        return total


class Qemu:
    """Starts QEMU's user mode on a program that exits at once."""

    def __init__(self, folder: Path) -> None:
        source, linked = folder / "exit.s", folder / "exit.o"
        source.write_text(".abiversion 2\n.globl _start\n_start: li 0,1\nli 3,0\nsc\n")
        self.program = folder / "exit"
        for command in (
            ["powerpc64-linux-gnu-as", source, "-o", linked],
            ["powerpc64-linux-gnu-ld", linked, "-o", self.program],
        ):
            subprocess.run(command, check=True, timeout=60)

    def rate(self) -> float:
        """Starts a second of CPU time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(STARTS):
            subprocess.run(["qemu-ppc64", self.program], check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return STARTS / seconds


def rates() -> None:
    """Print the table of programs a second."""
    hosts = [Rates(host) for host in HOSTS]
    found: dict[tuple[str, str], list[float]] = {}
    share: dict[tuple[str, str], list[float]] = {}
    starts = []
    with tempfile.TemporaryDirectory() as folder:
        qemu = Qemu(Path(folder)) if all(map(shutil.which, PEER)) else None
        for _ in range(ROUNDS):
            if qemu:
                starts.append(qemu.rate())
            for each in hosts:
                for kind in ("fresh", "mutated"):
                    done = each.chunks(mutated=kind == "mutated")
                    row = (each.host, kind)
                    found.setdefault(row, []).append(done.programs / done.seconds)
                    share.setdefault(row, []).append(100 * done.exhaustive / done.programs)
    print(f"{'':20} {'programs/s':>10} {'to QEMU':>8} {'exhaustive':>10}")
    for row, values in found.items():
        rate = statistics.median(values)
        ratio = f"{rate / statistics.median(starts):.2f}" if starts else "-"
        exhaustive = statistics.median(share[row])
        print(f"{' '.join(row):20} {rate:10.0f} {ratio:>8} {exhaustive:9.1f}%")
    if starts:
        print(f"{'qemu-ppc64 starts':20} {statistics.median(starts):10.0f} {1:8.2f}")


def zoo(names: list[str], seeds: int, limit: float) -> None:
    """Print how long each bug takes."""
    print(f"{'bug':28} {'median s':>8}  found  seconds of each seed; first finding")
    for name in names:
        times, first = [], "-"
        hosts = concerned((name,), HOSTS)
        for seed in range(seeds):
            began = time.process_time()
            total = _hunt(Plan(hosts, None, 1e9, bugs=(name,), seed=seed), began + limit)
            times.append(time.process_time() - began if total.findings else float("inf"))
            if total.findings:
                finding = total.findings[0]
                first = f"{finding.rule}@{finding.host}"
        each = " ".join("-" if t == float("inf") else f"{t:.1f}" for t in times)
        median = statistics.median(times)
        shown = "-" if median == float("inf") else f"{median:.1f}"
        hit = sum(t != float("inf") for t in times)
        print(f"{name:28} {shown:>8}  {hit}/{seeds}    {each}; {first}", flush=True)


class _OutOfTimeError(Exception):
    pass


def _hunt(plan: Plan, end: float) -> Batch:
    """A campaign until its first finding, or until so much CPU time is used up."""
    last = None

    def progress(total: Batch, _elapsed: float) -> None:
        nonlocal last
        last = total
        if time.process_time() > end and not total.findings:
            raise _OutOfTimeError

    try:
        return campaign(plan, progress, first=True)
    except _OutOfTimeError:
        return last


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("bugs", nargs="*")
    options = parser.parse_args()
    if options.zoo:
        zoo(options.bugs or list(ZOO), options.seeds, options.limit)
    else:
        rates()


if __name__ == "__main__":
    main()
