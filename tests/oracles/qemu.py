"""QEMU 10's pseries machine as an oracle: run an image without firmware, return its console."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MACHINE = "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"


def qemu_system(oracle: Callable[[str], str]) -> str:
    """Path of a qemu-system-ppc64 that has doorbells between threads: version 10 or later."""
    path = oracle("qemu-system-ppc64")
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+)\.", text)
    if version is None or int(version[1]) < 10:
        message = f"{path} must be version 10 or later, is: {text.splitlines()[0]}"
        if os.environ.get("EMU_REQUIRE_ORACLES"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def run(
    path: str, bios: Path, *, threads: int = 1, machine: str = "", options: Sequence[str] = ()
) -> bytes:
    """Console output of a flat image that is loaded at 0 and entered at 0x100.

    One core of `threads` threads; `machine` and `options` add to the command line. All threads
    share one host thread, so that their order does not depend on the host's scheduler.
    Raises subprocess.TimeoutExpired after four minutes.
    """
    command = [path, "-nodefaults", "-M", ",".join(filter(None, [MACHINE, machine]))]
    command += ["-cpu", "power9"]
    command += ["-accel", "tcg,thread=single", "-display", "none", "-serial", "stdio"]
    command += ["-smp", f"{threads},threads={threads},cores=1", "-bios", str(bios), *options]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=True
    ).stdout
