"""The explorer: states a second bare and with the hypervisor, beside SPIN; programs a second.

Usage: bench_explore.py [DIRECTORY]  (of .litmus files, to go through all of them). CPU time,
medians of 5 rounds in turn. Debian's package `spin` is the peer, on the same programs in Promela.
"""

from __future__ import annotations

import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.run import run
from emu.explore.search import Algorithm, Options

SUITE = Path(__file__).resolve().parents[1] / "guests" / "litmus"
ROUNDS = 5
CELLS = "xy"
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


class Spin:
    """A compiled verifier of one program, without partial order reduction, as the search here."""

    def __init__(self, source: str, folder: Path) -> None:
        (folder / "model.pml").write_text(source)
        compile_ = ["gcc", "-O2", "-DSAFETY", "-DNOREDUCE", "-w", "-o", "pan", "pan.c"]
        for command in (["spin", "-a", "model.pml"], compile_):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        self.folder = folder

    def rate(self) -> float:
        """States a second of CPU time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["./pan", "-w24"], cwd=self.folder, capture_output=True, text=True, check=True,
            timeout=120,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return int(re.search(r"(\d+) states, stored", done.stdout)[1]) / seconds


def rate(text: str, host: str, laboratory: Laboratory) -> float:
    """States a second of CPU time, from test to verdict."""
    test = parse(text)
    start = time.process_time()
    result = run(test, Options(ample=False), host, laboratory=laboratory)
    return result.states / (time.process_time() - start)


def show(name: str, values: list[float], unit: str) -> None:
    """Print a median."""
    print(f"{statistics.median(values):14,.0f} {unit:12} {name}")


def against_spin(laboratory: Laboratory) -> None:
    """Compare states a second on one program without a hypervisor."""
    program = operations(4, 20)
    text = litmus(program)
    with tempfile.TemporaryDirectory() as folder:
        spin = Spin(promela(program), Path(folder)) if shutil.which("spin") else None
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(rate(text, "power8", laboratory))
            if spin:
                theirs.append(spin.rate())
    show("4 threads x 20 accesses, bare", ours, "states/s")
    if spin:
        show("SPIN, the same program", theirs, "states/s")
        print(f"{statistics.median(ours) / statistics.median(theirs):14.2f} times SPIN")
    else:
        print("               spin is not installed: no peer to compare with")


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
    against_spin(laboratory)
    for name in HOSTED:
        text = (SUITE / f"{name}.litmus").read_text()
        rates = [rate(text, "power9", laboratory) for _ in range(ROUNDS)]
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
    if len(sys.argv) > 1:
        paths = sorted(Path(sys.argv[1]).rglob("*.litmus"))
        start = time.process_time()
        for path in paths:
            run(load(path), Options(spurious=True), "power8", laboratory=laboratory)
        print(f"{time.process_time() - start:14.1f} s for {len(paths)} tests, text to verdict")


if __name__ == "__main__":
    main()
