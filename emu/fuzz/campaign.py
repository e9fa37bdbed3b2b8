"""A campaign: chunks of programs, here or elsewhere, with the same findings wherever they are done.

A chunk is drawn from a seed that only the campaign's seed and the chunk's number make up, or
mutated from programs that the chunks long before it kept. So what is found depends neither on how
many workers there are, nor on which of them was killed. Results are taken in the order of chunks.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.fuzz.executors import Here, Task
from emu.fuzz.mutate import within
from emu.fuzz.plan import CHUNK, Batch, Chunk, seed_of
from emu.fuzz.properties import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.fuzz.executors import Done, Executor
    from emu.fuzz.plan import Kept, Plan
    from emu.fuzz.programs import Program

    Progress = Callable[[Batch, float], None]

TASK_SECONDS: Final = 2.0  # that one task should take
MAX_CHUNKS: Final = 64  # of one task
MAX_AHEAD: Final = 256  # chunks by which a mutated one may be ahead of those that it builds on
PARENTS: Final = 8


def campaign(
    plan: Plan,
    progress: Progress,
    executor: Executor | None = None,
    corpus: Sequence[tuple[str, Program]] = (),
    *,
    first: bool = False,
) -> Batch:
    """Run the plan; progress is told of the sum so far after each chunk. Raises ConfigError.

    executor: closed in the end; None: this process. corpus: hosts and programs to begin with, those
    of other hosts or outside the plan's bounds left alone. first: stop at the first finding. A
    KeyboardInterrupt leaves what was done so far with the caller of progress.
    """
    executor = executor or Here(plan)
    try:
        chosen(plan.properties)
        if plan.runs is None and plan.seconds is None:
            raise ConfigError("a campaign needs a number of programs or a time")
        return _Campaign(plan, executor, corpus).run(progress, first=first)
    finally:
        executor.close()


@dataclass(slots=True)
class _Campaign:
    plan: Plan
    executor: Executor
    corpus: Sequence[tuple[str, Program]]
    total: Batch = field(default_factory=Batch)
    _started: float = field(default_factory=time.monotonic)
    _next: int = 0  # number of the next chunk
    _programs: int = 0  # in the chunks before that
    _given: list[Chunk] = field(default_factory=list)
    _merged: int = 0  # chunks whose results were taken
    _kept: list[int] = field(default_factory=list)  # programs kept after so many chunks
    _seconds: float = 0.5  # that a chunk takes, about

    def run(self, progress: Progress, *, first: bool) -> Batch:
        """Hand out chunks and take their results, until the plan is fulfilled."""
        self._given = self._chunks_of_corpus()
        self._kept = [0]
        waiting = tasks = 0
        ready: dict[int, Done] = {}
        while True:
            while waiting + len(ready) < self.executor.slots and (chunks := self._more()):
                self.executor.submit(Task(tasks, chunks))
                tasks += 1
                waiting += 1
            if not waiting:
                return self.total
            done = self.executor.done()
            waiting -= 1
            ready[done.task.chunks[0].number] = done
            while self._merged in ready:
                for batch in ready.pop(self._merged).batches:
                    self._take(batch)
                    progress(self.total, time.monotonic() - self._started)
                    if first and self.total.findings:
                        return self.total

    def _take(self, batch: Batch) -> None:
        self.total.add(batch)
        self._merged += 1
        self._kept.append(len(self.total.kept))
        self._seconds += (batch.seconds - self._seconds) / 8

    # ---- chunks ----

    def _more(self) -> tuple[Chunk, ...]:
        """Chunks for one task; none: the plan is fulfilled, or others must be done first."""
        wanted = 1
        if self.executor.slots > 1:
            wanted = min(MAX_CHUNKS, max(1, round(TASK_SECONDS / max(self._seconds, 1e-3))))
        chunks: list[Chunk] = []
        while len(chunks) < wanted and not self._over() and self._builds_on() <= self._merged:
            chunks.append(self._chunk())
            self._next += 1
            self._programs += chunks[-1].count
        return tuple(chunks)

    def _over(self) -> bool:
        if self._next < len(self._given):
            return False
        plan = self.plan
        elapsed = time.monotonic() - self._started
        late = plan.seconds is not None and self._next > 0 and elapsed >= plan.seconds
        return late or (plan.runs is not None and self._programs >= plan.runs)

    def _builds_on(self) -> int:
        """How many chunks must be done before the next one can be made up."""
        number = self._next
        mutated = number >= len(self._given) and number % 2
        return max(number // 2, number - MAX_AHEAD) if mutated else 0

    def _chunk(self) -> Chunk:
        number, plan = self._next, self.plan
        if number < len(self._given):
            return self._given[number]
        host = plan.hosts[number // 2 % len(plan.hosts)]
        count = CHUNK if plan.runs is None else min(CHUNK, plan.runs - self._programs)
        parents = self._parents(host) if number % 2 else ()
        return Chunk(number, host, count, parents)

    def _parents(self, host: str) -> tuple[Program, ...]:
        """Programs of the corpus as it was some chunks ago; small searches are preferred."""
        known = self.total.kept[: self._kept[self._builds_on()]]
        fit = [k for k in known if k.host == host and within(k.program, self.plan.bounds)]
        if not fit:
            return ()
        source = random.Random(seed_of(self.plan.seed, "parents", self._next))  # noqa: S311
        return tuple(_cheaper(source, fit).program for _ in range(PARENTS))

    def _chunks_of_corpus(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        for host in self.plan.hosts:
            programs = [
                program
                for of, program in dict.fromkeys(self.corpus)
                if of == host and within(program, self.plan.bounds)
            ]
            for at in range(0, len(programs), CHUNK):
                some = tuple(programs[at : at + CHUNK])
                chunks.append(Chunk(len(chunks), host, len(some), given=some))
        return chunks


def _cheaper(source: random.Random, fit: Sequence[Kept]) -> Kept:
    """One of two, the one whose search is smaller."""
    return min(source.choice(fit), source.choice(fit), key=lambda kept: kept.states)
