"""A trace file is read as it was written, or refused by file, line and rule."""

from __future__ import annotations

import contextlib
import io
import json
import random

import pytest

from emu.errors import TraceError
from emu.trace.read import MAX_LINE, Entry, Trace

HEADER = {
    "trace": "emu", "version": 1, "host": "power9", "vcpus": ["v0", "v1"],
    "cores": [0, 0], "tirs": [0, 1],
}  # fmt: skip
EVENT = {
    "tb": 5, "actor": "v1", "vcpu": 1, "event": "kvm_guest_exit", "case": "hcall",
    "value": "0xe0", "nia": "0x10000",
}  # fmt: skip


def text(*lines):
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read(data):
    return list(Trace(io.BytesIO(data), "a.trace"))


def test_an_event_is_read_with_all_its_fields():
    assert read(text(HEADER, EVENT)) == [
        Entry(2, 5, "v1", 1, "kvm_guest_exit", "hcall", 0xE0, 0x10000)
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.trace is empty: a trace begins with a line that describes it"),
        (b"\x7fELF\n", "a.trace: line 1: a line must be a JSON object, got b'\\x7fELF\\n'"),
        (b"[" * 50_000, "a.trace: line 1: a line must be a JSON object, got"),
        (text([1]), "a.trace: line 1: a line must be a JSON object, got"),
        (text({}), 'a.trace: line 1: the first line must say "trace":"emu"'),
        (text(HEADER | {"version": 2}), "a.trace: line 1: version must be 1, got 2"),
        (text(HEADER | {"vcpus": []}), "a.trace: line 1: vcpus must be a list of 1 to"),
        (text(HEADER | {"cores": [0]}), "line 1: cores must be a list with a number for each"),
        (text(HEADER | {"tirs": []}), "line 1: cores and tirs must be given together"),
        (text(HEADER, EVENT | {"tb": -1}), "line 2: tb must be a number, at least 0, got -1"),
        (text(HEADER, EVENT, EVENT | {"tb": 4}), "line 3: tb must be a number, at least 5, got 4"),
        (text(HEADER, EVENT | {"tb": True}), "line 2: tb must be a number, at least 0, got True"),
        (text(HEADER, EVENT | {"vcpu": 2}), "line 2: vcpu must be a number from 0 to 1, got 2"),
        (text(HEADER, EVENT | {"event": "a\nb"}), "line 2: event must be printable ASCII text"),
        (text(HEADER, EVENT | {"value": "0x_"}), "line 2: value must be a 64-bit value like"),
        (text(HEADER, EVENT | {"nia": "0x" + "f" * 17}), "line 2: nia must be a 64-bit value"),
        (text(HEADER) + b"x" * (MAX_LINE + 1), "line 2: a line must be at most 65536 bytes long"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused_by_file_line_and_rule(data, message):
    with pytest.raises(TraceError) as refused:
        read(data)
    assert message in str(refused.value)


def test_a_damaged_trace_is_read_or_refused_and_nothing_else():
    whole = text(HEADER, EVENT, EVENT | {"tb": 7})
    choose = random.Random(1)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(choose.randint(1, 4)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        with contextlib.suppress(TraceError):
            read(bytes(data))
