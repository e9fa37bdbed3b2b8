"""The explorer: states a second bare and with the hypervisor, beside SPIN; programs a second.

Usage: bench_explore.py [DIRECTORY]  (of .litmus files, to go through all of them; or EMU_HERD_TESTS
names it). CPU time, medians of 5 rounds in turn. Debian's package `spin` is the peer: on the same
programs in Promela, its verifier compiled as its manual says, and with partial order
reduction on both sides or on neither. Both leave out what nobody reads any more (SPIN: dead
variables), so their numbers of states are nearly the same.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.run import run
from emu.explore.search import Algorithm, Options

SUITE = Path(__file__).resolve().parents[1] / "guests" / "litmus"
ROUNDS = 5
CELLS = "xy"
BARE = ((3, 20), (4, 16), (4, 20))  # threads, accesses of each
HOSTED = ("ring-3", "two-senders-reader", "both-read")
SMALL = ("send-clear", "send-cede", "prod-cede", "bad-tag", "tir", "flag-then-cede")


def operations(threads: int, length: int) -> list[list[tuple[str, str]]]:
    """Sets, clears and reads of two shared cells, as doorbells are: values repeat."""
    kinds = ("set", "read", "clear", "read")
    return [
        [(kinds[(i + t) % 4], CELLS[(i // 2 + t) % 2]) for i in range(length)]
        for t in range(threads)
    ]


def litmus(program: list[list[tuple[str, str]]]) -> str:
    """Write the program as a litmus test; reads go to r9."""
    word = {"set": "stw r1,0({})", "clear": "stw r3,0({})", "read": "lwz r9,0({})"}
    base = {"x": "r5", "y": "r6"}
    columns = [[word[kind].format(base[cell]) for kind, cell in thread] for thread in program]
    rows = "".join(" | ".join(row) + " ;\n" for row in zip(*columns, strict=True))
    initial = " ".join(f"{t}:r1=1; {t}:r5=x; {t}:r6=y;" for t in range(len(program)))
    heads = " | ".join(f"P{t}" for t in range(len(program)))
    return f"PPC bench\n{{ {initial} }}\n{heads} ;\n{rows}exists (x=1)\n"


def promela(program: list[list[tuple[str, str]]]) -> str:
    """Write the program in Promela: one statement an access."""
    word = {"set": "{} = 1;", "clear": "{} = 0;", "read": "r = {};"}
    text = "".join(f"byte {cell};\n" for cell in CELLS)
    for number, thread in enumerate(program):
        body = " ".join(word[kind].format(cell) for kind, cell in thread)
        text += f"active proctype P{number}() {{ byte r; {body} }}\n"
    return text


class Searched(NamedTuple):
    """One search: states stored, CPU seconds from program to verdict, bytes for the states."""

    states: int
    seconds: float
    nbytes: int = 0

    @property
    def rate(self) -> float:
        """States a second."""
        return self.states / self.seconds


class Spin:
    """A compiled verifier of one program."""

    def __init__(self, source: str, folder: Path, *, reduce: bool) -> None:
        (folder / "model.pml").write_text(source)
        compile_ = ["gcc", "-O2", "-DSAFETY", "-w", "-o", "pan", "pan.c"]
        if not reduce:
            compile_.append("-DNOREDUCE")
        for command in (["spin", "-a", "model.pml"], compile_):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        self.folder = folder

    def search(self) -> Searched:
        """Run it; to generate and to compile it is not counted."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["./pan"], cwd=self.folder, capture_output=True, text=True, check=True, timeout=120
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Searched(int(re.search(r"(\d+) states, stored", done.stdout)[1]), seconds)


def search(text: str, host: str, laboratory: Laboratory, *, reduce: bool = False) -> Searched:
    """Go from a test's text to its verdict."""
    start = time.process_time()
    result = run(parse(text), Options(ample=reduce), host, laboratory=laboratory)
    return Searched(result.states, time.process_time() - start, result.facts.nbytes)


def show(name: str, values: list[float], unit: str) -> None:
    """Print a median."""
    print(f"{statistics.median(values):14,.0f} {unit:12} {name}")


def against_spin(laboratory: Laboratory, *, reduce: bool) -> list[tuple[float, float]]:
    """Compare with SPIN on programs without a hypervisor.

    Returns for each how many times its states a second, and its speed from program to verdict.
    """
    ratios = []
    print(f"without a hypervisor, {'with' if reduce else 'without'} partial order reduction:")
    for threads, length in BARE:
        program = operations(threads, length)
        text = litmus(program)
        ours, theirs = [], []
        with tempfile.TemporaryDirectory() as folder:
            peer = shutil.which("spin")
            spin = Spin(promela(program), Path(folder), reduce=reduce) if peer else None
            for _ in range(ROUNDS):
                ours.append(search(text, "power8", laboratory, reduce=reduce))
                if spin:
                    theirs.append(spin.search())
        name = f"{threads} threads x {length} accesses, {ours[0].states:,} states"
        show(name, [each.rate for each in ours], "states/s")
        print(f"{ours[0].nbytes / ours[0].states:14.1f} bytes a state")
        if theirs:
            show(f"SPIN, {theirs[0].states:,} states", [each.rate for each in theirs], "states/s")
            pairs = list(zip(ours, theirs, strict=True))
            rate = statistics.median(o.rate / t.rate for o, t in pairs)
            speed = statistics.median(t.seconds / o.seconds for o, t in pairs)
            ratios.append((rate, speed))
            print(f"{rate:14.2f} times SPIN's states/s, {speed:.2f} times as fast to the verdict")
    if not ratios:
        print("               spin is not installed: no peer to compare with")
    return ratios


def algorithms() -> None:
    """Compare the search by states with source-DPOR on doorbell-like code."""
    for length in (4, 8, 12):
        test = parse(litmus(operations(2, length)))
        states = run(test, Options(), "power8")
        traces = run(test, Options(algorithm=Algorithm.DPOR), "power8")
        print(
            f"{states.states:14,} states by hash, {traces.executions:,} traces by source-DPOR: "
            f"2 threads x {length}"
        )


def main() -> None:
    """Print one line a measurement."""
    laboratory = Laboratory()
    ratios = [
        ratio for reduce in (False, True) for ratio in against_spin(laboratory, reduce=reduce)
    ]
    if ratios:
        rates, speeds = zip(*ratios, strict=True)
        print(
            f"{statistics.median(rates):14.2f} times SPIN's states/s (median), "
            f"{statistics.median(speeds):.2f} times as fast to the verdict"
        )
    for name in HOSTED:
        text = (SUITE / f"{name}.litmus").read_text()
        rates = [search(text, "power9", laboratory).rate for _ in range(ROUNDS)]
        show(f"{name} under the hypervisor of POWER9", rates, "states/s")
    tests = [load(SUITE / f"{name}.litmus") for name in SMALL]
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for test in tests * 10:
            run(test, Options(), "power9", laboratory=laboratory)
        rates.append(len(tests) * 10 / (time.process_time() - start))
    show("small tests from object to verdict, POWER9", rates, "programs/s")
    algorithms()
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("EMU_HERD_TESTS")
    if folder:
        paths = sorted(Path(folder).rglob("*.litmus"))
        start = time.process_time()
        for path in paths:
            run(load(path), Options(spurious=True), "power8", laboratory=laboratory)
        print(f"{time.process_time() - start:14.1f} s for {len(paths)} tests, text to verdict")


if __name__ == "__main__":
    main()
