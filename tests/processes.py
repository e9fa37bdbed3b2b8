"""What tests wait for in other processes. No time is long enough on every machine."""

import contextlib
import time
from pathlib import Path

PATIENCE_S = 120  # for what takes a moment, on a machine that has better things to do


def wait_until(happened, what):
    """Until a condition is true."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


def _fields(pid):
    """Of /proc/PID/stat, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_ticks(pid):
    """Hundredths of a second of CPU time that a process has had."""
    fields = _fields(pid)
    return int(fields[11]) + int(fields[12])


def wait_until_busy(pid, since):
    """Until a process has computed for a while since it had so many cpu_ticks."""
    wait_until(lambda: cpu_ticks(pid) >= since + 25, f"process {pid} computes")


def wait_until_asleep(pid):
    """Until a process waits for something, and does nothing else for a moment."""

    def rests():
        before = cpu_ticks(pid)
        for _ in range(5):
            if _fields(pid)[0] != "S":
                return False
            time.sleep(0.02)
        return cpu_ticks(pid) == before

    wait_until(rests, f"process {pid} sleeps")


def wait_until_idle(pid):
    """Until a process costs nothing for half a second, but perhaps a tick that was due."""

    def rests():
        before = cpu_ticks(pid)
        time.sleep(0.5)
        return cpu_ticks(pid) <= before + 1

    wait_until(rests, f"process {pid} waits without computing")


def alive_in_group(group):
    """Processes of a group that are more than a return code."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, of = entry.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(entry.parent.name)
    return found
