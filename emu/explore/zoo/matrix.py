"""The kill matrix: which tests find which bugs, how fast, and how often chance does.

A cell is one bug, one test and one host. Knows nothing of how it is printed.
"""

from __future__ import annotations

import multiprocessing
import statistics
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError, EmuError
from emu.explore.litmus.parse import load
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.minimise import MAX_PREEMPTIONS
from emu.explore.schedule import parse_short
from emu.explore.search import Algorithm, Options, SearchRefusedError
from emu.explore.spawning import without_interrupts
from emu.explore.zoo import switched_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.verdict import Result
    from emu.explore.zoo.bug import Bug

SEEDS: Final = 20
MAX_RUNS: Final = 500  # of one seed
MAX_STEPS: Final = 5000  # of one run
MAX_STATES: Final = 1_000_000
SAMPLERS: Final = (Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS)


class LostError(EmuError):
    """A process that had a bug to run is gone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One bug against one test. failures: what the test says of it, empty: not found."""

    bug: str
    test: str
    host: str
    failures: tuple[str, ...]
    states: int
    seconds: float
    extent: str


@dataclass(frozen=True, slots=True)
class Shortest:
    """The counterexample with the fewest context switches; steps 0: what is missing has none."""

    steps: int
    switches: int


@dataclass(frozen=True, slots=True)
class Row:
    """A bug's cells. medians: executions to the first detection by its first named test.

    None in medians: half the seeds or more did not find it in MAX_RUNS executions.
    """

    bug: Bug
    cells: tuple[Cell, ...]
    named: tuple[Cell, ...]
    shortest: Shortest
    medians: dict[str, float | None]

    @property
    def found(self) -> bool:
        """Whether the tests that the entry names find it, all of them."""
        return bool(self.named) and all(cell.failures for cell in self.named)


def tests_in(directory: Path) -> dict[str, Litmus]:
    """The litmus tests of a directory, by file name. Raises ConfigError if there are none."""
    if not directory.is_dir():
        raise ConfigError(f"the kill matrix needs litmus tests, and {directory} is no directory")
    tests = {path.stem: load(path) for path in sorted(directory.glob("*.litmus"))}
    if not tests:
        raise ConfigError(f"the kill matrix needs litmus tests, and {directory} has none")
    return tests


def rows(
    bugs: list[Bug], tests: dict[str, Litmus], *, every_test: bool = True, jobs: int = 1
) -> Iterator[Row]:
    """Run bugs against the tests, in the order of the bugs.

    every_test: not only against those that an entry names. jobs: processes, each with a bug at a
    time, as a bug is in the code of a whole process. Raises ConfigError if a test is not there.
    """
    for bug in bugs:
        missing = [kill.test for kill in bug.killed_by if kill.test not in tests]
        if missing:
            raise ConfigError(f"{bug.name} is killed by {missing[0]}, and there is no such test")
    one = partial(row, tests=tests, every_test=every_test)
    if jobs == 1:
        yield from map(one, bugs)
        return
    yield from _on_processes(one, bugs, jobs)


def _on_processes(one: Callable[[Bug], Row], bugs: list[Bug], jobs: int) -> Iterator[Row]:
    """What `one` makes of each bug, in their order. Raises what it raises, and LostError.

    Whoever gives up waits for nothing: concurrent.futures has no way to end what is at work.
    """
    context = multiprocessing.get_context("spawn")
    processes, idle, busy = [], [], {}
    ready: dict[int, Row] = {}
    left = 0
    try:
        with without_interrupts():
            for _ in range(min(jobs, len(bugs))):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, one), daemon=True)
                process.start()
                theirs.close()
                processes.append(process)
                idle.append(ours)
        for number in range(len(bugs)):
            while number not in ready:
                while idle and left < len(bugs):
                    idle[-1].send(bugs[left])
                    busy[idle.pop()] = left
                    left += 1
                for pipe in wait(list(busy)):
                    done = busy.pop(pipe)  # type: ignore[call-overload]  # wait() gives them back
                    ready[done] = _answer(pipe, bugs[done])  # type: ignore[arg-type]
                    idle.append(pipe)  # type: ignore[arg-type]
            yield ready.pop(number)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(pipe: Connection, one: Callable[[Bug], Row]) -> None:
    """A process's life: bugs in, rows or an error out, until nobody asks any more."""
    with suppress(EOFError):
        while True:
            bug = pipe.recv()
            try:
                answer: Row | EmuError = one(bug)
            except EmuError as error:
                answer = error
            pipe.send(answer)


def _answer(pipe: Connection, bug: Bug) -> Row:
    try:
        answer: Row | EmuError = pipe.recv()
    except (EOFError, OSError):
        raise LostError(f"the process that ran {bug.name} has died") from None
    if isinstance(answer, EmuError):
        raise answer
    return answer


def row(bug: Bug, tests: dict[str, Litmus], *, every_test: bool) -> Row:
    """Run one bug."""
    named = tuple(cell(bug, tests[k.test], k.test, k.host) for k in bug.killed_by)
    known = {(c.test, c.host) for c in named}
    others = [
        cell(bug, test, name, host)
        for name, test in tests.items()
        for host in test.hosts
        if every_test and host in bug.hosts and (name, host) not in known
    ]
    first = bug.killed_by[0]
    test = tests[first.test]
    example = shortest(bug, test, first.host)
    # What is missing cannot be seen in an execution.
    medians = {
        a.name.lower(): median(bug, test, first.host, a) if example.steps else None
        for a in SAMPLERS
    }
    return Row(bug, (*named, *others), named, example, medians)


def cell(bug: Bug, test: Litmus, name: str, host: str) -> Cell:
    """Search one test exhaustively, within its own bounds, with the bug on."""
    try:
        result = _run(bug, test, host, Options(max_states=MAX_STATES))
    except SearchRefusedError as error:
        return Cell(bug.name, name, host, (str(error),), 0, 0.0, "refused")
    extent = result.cut or "exhaustive"
    failures = judge(result).failures
    return Cell(bug.name, name, host, failures, result.states, result.seconds, extent)


def shortest(bug: Bug, test: Litmus, host: str) -> Shortest:
    """Find a counterexample with the fewest context switches, or at least the fewest preemptions.

    By breadth first, a switch costing 1 and a step 0; where that takes more than MAX_STATES, depth
    first within growing bounds.
    """
    ordered = Options(algorithm=Algorithm.BFS, first=True, max_states=MAX_STATES)
    bounded = (
        Options(first=True, preemptions=bound, max_states=MAX_STATES)
        for bound in range(MAX_PREEMPTIONS + 1)
    )
    for options in (ordered, *bounded):
        result = _run(bug, test, host, options)
        for violation in (*result.violations, *result.witnesses):
            if violation.schedule:
                schedule = parse_short(violation.schedule)
                switches = sum(a.actor != b.actor for a, b in pairwise(schedule))
                return Shortest(len(schedule), switches)
        if result.complete:
            break
    return Shortest(0, 0)


def median(bug: Bug, test: Litmus, host: str, algorithm: Algorithm) -> float | None:
    """Executions until a sampling algorithm first finds the bug, the median of SEEDS seeds."""
    needed: list[float] = []
    for seed in range(SEEDS):
        options = Options(
            algorithm=algorithm, seed=seed, first=True, max_runs=MAX_RUNS, max_steps=MAX_STEPS
        )
        result = _run(bug, test, host, options)
        found = result.violations or result.witnesses
        needed.append(result.executions if found else MAX_RUNS + 1)
        if needed.count(MAX_RUNS + 1) > SEEDS // 2:
            return None
    middle = statistics.median(needed)
    return None if middle > MAX_RUNS else middle


def _run(bug: Bug, test: Litmus, host: str, options: Options) -> Result:
    with switched_on([bug.name]):
        return run(test, options, host)
