"""A campaign: batches of programs, on this process or on several, with the same findings.

A batch is drawn from a seed that only the campaign's seed and the batch's number make up, so what
is found does not depend on how many processes there are, nor on which of them was killed: a lost
batch is done again. Results are taken in the order of batches.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.search import SearchRefusedError
from emu.explore.zoo import switched_on
from emu.fuzz.examine import Examiner, Finding
from emu.fuzz.programs import OPERATIONS, Bounds
from emu.fuzz.properties import chosen
from emu.fuzz.strategies import drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH: Final = 25  # programs
MAX_LOST: Final = 3  # times that one batch may lose its process


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. runs: programs, None = until the time is over."""

    hosts: tuple[str, ...]
    runs: int | None
    seconds: float | None = None
    properties: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(slots=True)
class Batch:
    """What came of one batch, or of many together. refused: programs that cannot be searched."""

    programs: int = 0
    states: int = 0
    exhaustive: int = 0
    refused: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Batch) -> None:
        """Add another's counts and findings, the latter once each."""
        self.programs += other.programs
        self.states += other.states
        self.exhaustive += other.exhaustive
        self.refused += other.refused
        for name, count in other.operations.items():
            self.operations[name] = self.operations.get(name, 0) + count
        known = {finding.signature for finding in self.findings}
        for finding in other.findings:
            if finding.signature not in known:
                known.add(finding.signature)
                self.findings.append(finding)


def seed_of(seed: int, number: int) -> int:
    """The seed of a batch."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:8], "big")


def do_batch(plan: Plan, number: int, count: int) -> Batch:
    """Draw and examine the programs of one batch: a pure function of its arguments."""
    rows = chosen(plan.properties)
    done = Batch()
    with switched_on(plan.bugs):
        laboratory = Laboratory()  # inside: what it learns is about the code with these bugs
        examiners = {
            host: Examiner(host, rows, laboratory, plan.bugs) for host in dict.fromkeys(plan.hosts)
        }
        host = plan.hosts[number % len(plan.hosts)]
        for program in drawn(host, plan.bounds, seed_of(plan.seed, number), count):
            done.programs += 1
            for _, _, op in program.operations():
                done.operations[op.name] = done.operations.get(op.name, 0) + 1
            try:
                examined = examiners[host].examine(program)
            except SearchRefusedError:
                done.refused += 1
                continue
            done.states += examined.states
            done.exhaustive += examined.exhaustive
            if examined.finding is not None:
                done.add(Batch(findings=[examined.finding]))
    return done


def campaign(plan: Plan, jobs: int, progress: Callable[[Batch, float], None]) -> Batch:
    """Run the plan; progress is told of the sum so far after each batch. Raises ConfigError.

    A KeyboardInterrupt leaves what was done so far with the caller of progress.
    """
    chosen(plan.properties)
    if plan.runs is None and plan.seconds is None:
        raise ConfigError("a campaign needs a number of programs or a time")
    started = time.monotonic()
    total = Batch()
    results = _alone(plan, started) if jobs == 1 else _together(plan, started, jobs)
    for batch in results:
        total.add(batch)
        progress(total, time.monotonic() - started)
    return total


def _batches(plan: Plan, started: float) -> Iterator[tuple[int, int]]:
    """Numbers of batches and how many programs each has, until the plan is fulfilled."""
    number = 0
    while plan.runs is None or number * BATCH < plan.runs:
        if plan.seconds is not None and time.monotonic() - started >= plan.seconds:
            return
        yield number, BATCH if plan.runs is None else min(BATCH, plan.runs - number * BATCH)
        number += 1


def _alone(plan: Plan, started: float) -> Iterator[Batch]:
    for number, count in _batches(plan, started):
        yield do_batch(plan, number, count)


def _together(plan: Plan, started: float, jobs: int) -> Iterator[Batch]:
    """Batches on processes, given back in order; those of a process that died are done again."""
    todo = _batches(plan, started)
    waiting: deque[tuple[tuple[int, int], Future[Batch]]] = deque()
    pool, lost = ProcessPoolExecutor(jobs), 0
    try:
        while True:
            while len(waiting) < 2 * jobs and (task := next(todo, None)) is not None:
                waiting.append((task, pool.submit(do_batch, plan, *task)))
            if not waiting:
                return
            try:
                done = waiting[0][1].result()
            except BrokenProcessPool:
                lost += 1
                if lost > MAX_LOST:
                    raise
                pool.shutdown(wait=False, cancel_futures=True)
                pool = ProcessPoolExecutor(jobs)
                tasks = [task for task, _ in waiting]
                waiting = deque((task, pool.submit(do_batch, plan, *task)) for task in tasks)
                continue
            waiting.popleft()
            lost = 0
            yield done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def never_drawn(total: Batch) -> list[str]:
    """Operations that no program had."""
    return [name for name in OPERATIONS if name not in total.operations]
