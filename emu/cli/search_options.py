"""What the machine options that are about one run mean to a search over all of them."""

from __future__ import annotations

from typing import Final

from emu.errors import ConfigError
from emu.explore.search import Algorithm

ALGORITHMS: Final = [algorithm.name.lower() for algorithm in Algorithm]
PCT_DEPTH: Final = 3  # where nobody says otherwise
MAX_DEPTH: Final = 8


def algorithm_of(
    schedule: str, algorithm: str | None, depth: int | None = None
) -> tuple[Algorithm, int]:
    """The algorithm and the d of PCT that --schedule and --algorithm ask for together.

    rr, the default of a run, stands for every schedule; random and pct[:D] for a sample of them.
    Raises ConfigError for what a search cannot heed, and if the two contradict each other.
    """
    name, colon, number = schedule.partition(":")
    if name not in {"rr", "random", "pct"} or (colon and name != "pct"):
        raise ConfigError(
            "a search takes every schedule (rr), or samples them (random, pct[:D]); turns have no "
            f"length in it, and a saved one is for emu replay; got --schedule {schedule[:60]}"
        )
    asked = algorithm or ("dfs" if name == "rr" else name)
    if name not in {"rr", asked}:
        raise ConfigError(f"--schedule {name} and --algorithm {asked} contradict each other")
    if colon:
        if not (number.isdigit() and 1 <= int(number[:3]) <= MAX_DEPTH):
            raise ConfigError(f"the D of pct must be 1 to {MAX_DEPTH}, got {number[:20]}")
        if depth not in {None, int(number)}:
            raise ConfigError(f"--schedule pct:{number} and --depth {depth} contradict each other")
        depth = int(number)
    return Algorithm[asked.upper()], depth or PCT_DEPTH
