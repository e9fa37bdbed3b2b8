"""A trace as Chrome trace JSON, which Perfetto shows: a process a core, a thread a vcpu.

One microsecond stands for one tick of the timebase; the file says so itself.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from emu.trace.lanes import Arrow, Lanes, Slice
from emu.trace.text import event_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emu.trace.read import Entry, Header

FIRST_THREAD = 1000  # so that no thread has the number of a process


def write_chrome(header: Header, entries: Iterable[Entry], file: IO[str]) -> None:
    """Write the trace as it is read, in bounded memory."""
    file.write('{"displayTimeUnit":"ns","otherData":{"unit":"1 us = 1 tick of the timebase"},')
    file.write('"traceEvents":[\n')
    separator = ""
    for event in _events(header, entries):
        file.write(separator + json.dumps(event, separators=(",", ":")))
        separator = ",\n"
    file.write("\n]}\n")


def _events(header: Header, entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    cores = header.cores or (0,) * len(header.vcpus)

    def place(vcpu: int) -> dict[str, int]:
        return {"pid": 1 + cores[vcpu], "tid": FIRST_THREAD + vcpu}

    for core in sorted(set(cores)):
        name = {"name": f"virtual core {core}"}
        yield {"ph": "M", "name": "process_name", "pid": 1 + core, "args": name}
    for vcpu, title in enumerate(header.vcpus):
        tir = f" (TIR={header.tirs[vcpu]})" if header.tirs else ""
        yield {"ph": "M", "name": "thread_name", **place(vcpu), "args": {"name": title + tir}}
    arrows = 0
    for item in Lanes(header).slices(entries):
        if isinstance(item, Slice):
            yield {"ph": "X", "name": item.state, "cat": "run", **place(item.vcpu),
                   "ts": item.start, "dur": item.end - item.start,
                   "args": {"since": item.why}}  # fmt: skip
        elif isinstance(item, Arrow):
            arrows += 1
            flow = {"name": "doorbell", "cat": "doorbell", "id": arrows}
            yield {"ph": "s", **flow, **place(item.source), "ts": item.sent}
            yield {"ph": "f", "bp": "e", **flow, **place(item.target), "ts": item.taken}
        else:
            yield {"ph": "i", "s": "t", "name": item.title, "cat": "event", **place(item.vcpu),
                   "ts": item.tb, "args": {"event": event_line(item).strip()}}  # fmt: skip
