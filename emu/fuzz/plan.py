"""What a campaign is to do, cut into chunks, and what came of them: data that travels to workers.

A chunk holds all that its result depends on, so it can be done anywhere, and done again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emu.fuzz.programs import OPERATIONS, Bounds

if TYPE_CHECKING:
    from emu.fuzz.coverage import Item
    from emu.fuzz.examine import Finding, Unreplayed
    from emu.fuzz.programs import Program

MAX_UNREPLAYED: Final = 10
CHUNK: Final = 25  # programs that are drawn together
HOSTS: Final = ("power9", "power8", "power7")  # those with smaller searches first


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. runs: programs, None = until the time is over.

    seconds: after which no chunk begins but the first.
    """

    hosts: tuple[str, ...]
    runs: int | None
    seconds: float | None = None
    properties: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Programs for one host: `count` drawn ones, or mutants of the parents if there are any.

    given: not drawn, but these.
    """

    number: int
    host: str
    count: int
    parents: tuple[Program, ...] = ()
    given: tuple[Program, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A program worth keeping. items: what it reached and none before it; states: of its search."""

    host: str
    program: Program
    states: int
    items: frozenset[Item]


@dataclass(slots=True)
class Batch:
    """What came of one chunk, or of many together.

    programs: examined, of which `mutants` were made from others; `exhaustive` were searched to the
    end, `refused` cannot be searched. repeats: findings that were not looked into, as there were
    enough of their property in the chunk. unreplayed: breaches that could not be made to happen
    again, the first MAX_UNREPLAYED of them. kept: the corpus. seconds: that it took, of a process.
    """

    programs: int = 0
    mutants: int = 0
    states: int = 0
    exhaustive: int = 0
    refused: int = 0
    repeats: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unreplayed: list[Unreplayed] = field(default_factory=list)
    coverage: set[Item] = field(default_factory=set)
    kept: list[Kept] = field(default_factory=list)
    seconds: float = field(default=0.0, compare=False)

    def add(self, other: Batch) -> None:
        """Add another's counts, the findings of another signature, and what covers more."""
        self.programs += other.programs
        self.mutants += other.mutants
        self.states += other.states
        self.exhaustive += other.exhaustive
        self.refused += other.refused
        self.repeats += other.repeats
        self.seconds += other.seconds
        for name, count in other.operations.items():
            self.operations[name] = self.operations.get(name, 0) + count
        for finding in other.findings:
            self.find(finding)
        self.unreplayed = (self.unreplayed + other.unreplayed)[:MAX_UNREPLAYED]
        for kept in other.kept:
            self.keep(kept)

    def find(self, finding: Finding) -> None:
        """Add a finding, unless one with its signature is there."""
        if any(finding.signature == known.signature for known in self.findings):
            self.repeats += 1
        else:
            self.findings.append(finding)

    def keep(self, kept: Kept) -> None:
        """Add a program to the corpus, if it reached what none before it did."""
        fresh = kept.items - self.coverage
        if fresh:
            self.coverage |= fresh
            self.kept.append(Kept(kept.host, kept.program, kept.states, fresh))


def seed_of(*parts: object) -> int:
    """A seed that these parts make up, and nothing else."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def never_drawn(total: Batch) -> list[str]:
    """Operations that no program had."""
    return [name for name in OPERATIONS if name not in total.operations]
