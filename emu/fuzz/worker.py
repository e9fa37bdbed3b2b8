"""The work of a campaign: chunks, done one after the other on machines that are kept.

What comes of a chunk is a function of the plan and the chunk. That machines are kept, and what
they have learned of host code, only saves time.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from emu import __version__
from emu.errors import ConfigError
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.search import SearchRefusedError
from emu.explore.zoo import switched_on
from emu.fuzz.coverage import Observer
from emu.fuzz.examine import Examiner
from emu.fuzz.mutate import Mutator
from emu.fuzz.plan import Batch, Kept, seed_of
from emu.fuzz.properties import chosen
from emu.fuzz.strategies import drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emu.fuzz.plan import Chunk, Plan
    from emu.fuzz.programs import Program

ENOUGH: Final = 3  # findings of a property that one chunk makes small


class Worker:
    """Does chunks of one plan."""

    def __init__(self, plan: Plan, heed: Callable[[], None] = lambda: None) -> None:
        """heed: called before each search; what it raises, ends the chunk."""
        self._plan = plan
        self._heed = heed
        self._rows = chosen(plan.properties)
        self._laboratory = Laboratory()
        self._observer = Observer()
        self._examiners: dict[str, Examiner] = {}
        self._chunks = 0

    def do(self, chunk: Chunk) -> Batch:
        """Examine the programs of a chunk."""
        began = time.process_time()
        done = Batch(mutants=chunk.count if chunk.parents else 0)
        found: Counter[str] = Counter()
        self._observer.begin()
        with switched_on(self._plan.bugs):
            examiner = self._examiner(chunk.host)
            for program in self._programs(chunk):
                self._examine(examiner, chunk.host, program, done, found)
        self._chunks += 1
        if self._chunks.bit_count() == 1:
            _settle()
        done.seconds = time.process_time() - began
        return done

    def _examiner(self, host: str) -> Examiner:
        if host not in self._examiners:
            self._examiners[host] = Examiner(
                host,
                self._rows,
                self._laboratory,
                self._observer,
                self._plan.bugs,
                self._heed,
                sampled=not self._plan.properties,
            )
        return self._examiners[host]

    def _programs(self, chunk: Chunk) -> Iterable[Program]:
        if chunk.given:
            return chunk.given
        seed = seed_of(self._plan.seed, chunk.number)
        if not chunk.parents:
            return drawn(chunk.host, self._plan.bounds, seed, chunk.count)
        mutator = Mutator(random.Random(seed), chunk.host)  # noqa: S311  no secret
        return (mutator.mutant(chunk.parents) for _ in range(chunk.count))

    def _examine(
        self, examiner: Examiner, host: str, program: Program, done: Batch, found: Counter[str]
    ) -> None:
        done.programs += 1
        for _, _, op in program.operations():
            done.operations[op.name] = done.operations.get(op.name, 0) + 1
        enough = {name for name, count in found.items() if count >= ENOUGH}
        try:
            examined = examiner.examine(program, enough)
        except SearchRefusedError:
            done.refused += 1
            return
        done.states += examined.states
        done.exhaustive += examined.exhaustive
        done.repeats += bool(examined.broken)
        done.keep(Kept(host, program, examined.states, examined.items))
        if examined.unreplayed is not None:
            done.unreplayed.append(examined.unreplayed)
        if examined.finding is not None:
            found[examined.finding.rule] += 1
            done.find(examined.finding)


def _settle() -> None:
    """Let no collection look at what there is: it stays, and is a tenth of a small search's time.

    For a worker to call after 1, 2, 4, 8, ... chunks, since it learns ever less that is new.
    """
    gc.collect()
    gc.freeze()


# ---- on another process ------------------------------------------------------------------------

_LOCK: Final = threading.Lock()  # bugs of the zoo are edits of the process's code
_kept: dict[Plan, Worker] = {}


def do_chunks(version: str, plan: Plan, chunks: Sequence[Chunk]) -> list[Batch]:
    """Do chunks with the worker that this process keeps for the plan.

    version: of the program that asks. Raises ConfigError if this one is another: the results of
    two versions must not be mixed.
    """
    if version != __version__:
        raise ConfigError(f"this worker has emu {__version__}, and the campaign {version}")
    with _LOCK:
        if plan not in _kept:
            _kept.clear()
            _kept[plan] = Worker(plan)
        return [_kept[plan].do(chunk) for chunk in chunks]
