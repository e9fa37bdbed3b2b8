"""Who goes next in a plain run, as data; the choosing is done in C (csrc/engine_turns.c).

A turn lasts until the actor waits, or has done its slice of guest instructions. Host code is not
interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from emu.errors import ConfigError

if TYPE_CHECKING:
    from emu.core.engine import Turn

DEFAULT_SLICE = 1000
WINDOW: Final = 10_000
MIN_DEPTH: Final = 2


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """In turn, `slice` guest instructions each."""

    slice: int = DEFAULT_SLICE

    def __post_init__(self) -> None:
        _check_slice(self.slice)


@dataclass(frozen=True, slots=True)
class Random:
    """Any that can run, for 1 to `slice` guest instructions, by the machine's seed."""

    slice: int = 100

    def __post_init__(self) -> None:
        _check_slice(self.slice)


@dataclass(frozen=True, slots=True)
class Pct:
    """The actor of the highest priority, which is random; `depth` - 1 change points now and then.

    Probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010), made for runs without
    end: there are about depth - 1 change points in each WINDOW of guest instructions, and at each
    the running actor falls below all others. So nobody is kept waiting for ever by one that spins.
    An actor that is woken goes first at the next change point, or when the running one waits.
    """

    depth: int = 3

    def __post_init__(self) -> None:
        if not MIN_DEPTH <= self.depth <= WINDOW:
            raise ConfigError(f"the depth of pct must be {MIN_DEPTH} to {WINDOW}, got {self.depth}")

    @property
    def slice(self) -> int:
        """The most guest instructions between two change points; half of them on average."""
        return 2 * WINDOW // (self.depth - 1)


@dataclass(frozen=True, slots=True)
class Replay:
    """The turns of a recorded run; when they are used up, as RoundRobin."""

    turns: tuple[Turn, ...]
    slice: int = DEFAULT_SLICE


Scheduler: TypeAlias = RoundRobin | Random | Pct | Replay

# Those that a word names.
SCHEDULERS: Final[dict[str, type[RoundRobin | Random | Pct]]] = {
    "rr": RoundRobin, "random": Random, "pct": Pct,
}  # fmt: skip


def _check_slice(value: int) -> None:
    if not 1 <= value < 1 << 63:
        raise ConfigError(f"a slice must be at least 1 instruction, got {value}")


def parse_scheduler(spec: str) -> RoundRobin | Random | Pct:
    """Read `rr`, `random` or `pct`, with `:N` if wanted; ConfigError for anything else."""
    name, colon, number = spec.partition(":")
    if name in SCHEDULERS and (not colon or (number.isdecimal() and len(number) <= 18)):
        kind = SCHEDULERS[name]
        return kind(int(number)) if colon else kind()
    raise ConfigError(f"a schedule must be rr[:N], random[:N], pct[:D] or a file, got {spec!r}")
