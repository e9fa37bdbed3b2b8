"""How long a user waits for small commands: wall time, median of 15 runs in new processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

GUESTS = Path(__file__).resolve().parents[1] / "guests"
ROUNDS = 15
COMMANDS = (
    ["--help"],
    ["run", "--help"],
    ["dis", "7c00211c"],
    ["isa", "msgsndp"],
    ["run", "-e", "li 3,7"],
    ["run", str(GUESTS / "hello.s"), "--smt", "4"],
    ["run", str(GUESTS / "token_ring.s"), "--smt", "4"],
)


def wall_time_ms(arguments: list[str]) -> float:
    """Milliseconds from start to exit."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "emu", *arguments], check=True, capture_output=True, timeout=60
    )
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print one line a command; the rounds are interleaved, so that a busy moment hits all."""
    times: dict[int, list[float]] = {index: [] for index in range(len(COMMANDS))}
    for _ in range(ROUNDS):
        for index, arguments in enumerate(COMMANDS):
            times[index].append(wall_time_ms(arguments))
    for index, arguments in enumerate(COMMANDS):
        shown = " ".join(Path(word).name if "/" in word else word for word in arguments)
        median, worst = statistics.median(times[index]), max(times[index])
        print(f"{median:7.0f} ms median {worst:7.0f} ms worst   emu {shown}")


if __name__ == "__main__":
    main()
