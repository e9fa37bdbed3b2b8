"""Who goes next in a plain run, as data; the choosing is done in C (csrc/engine.c).

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
class Replay:
    """The turns of a recorded run; when they are used up, as RoundRobin."""

    turns: tuple[Turn, ...]
    slice: int = DEFAULT_SLICE


Scheduler: TypeAlias = RoundRobin | Random | Replay

# Those that a word names.
SCHEDULERS: Final[dict[str, type[RoundRobin | Random]]] = {"rr": RoundRobin, "random": Random}


def _check_slice(value: int) -> None:
    if not 1 <= value < 1 << 63:
        raise ConfigError(f"a slice must be at least 1 instruction, got {value}")


def parse_scheduler(spec: str) -> RoundRobin | Random:
    """Read `rr`, `rr:N`, `random` or `random:N`; ConfigError for anything else."""
    name, colon, number = spec.partition(":")
    if name in SCHEDULERS and (not colon or (number.isdecimal() and len(number) <= 18)):
        kind = SCHEDULERS[name]
        return kind(int(number)) if colon else kind()
    raise ConfigError(f"a schedule must be rr[:N], random[:N] or a file, got {spec!r}")
