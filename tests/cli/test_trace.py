"""`emu run --trace`: the file is what docs/trace.md says."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from emu.trace import trace_file

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "trace.md"


@pytest.fixture
def traced(emu, guests, tmp_path):
    """The lines of a trace of a guest, and the JSON report of the same run."""

    def run(name, *options):
        file = tmp_path / "trace"
        ended = emu("run", guests / name, "--trace", file, "--json", *options)
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in file.read_text().splitlines()], json.loads(ended.out)

    return run


def test_the_first_line_describes_the_file(traced):
    lines, _ = traced("token_ring.s", "--smt", "2")
    assert lines[0] == {
        "trace": "emu", "version": 1, "host": "power9", "vcpus": ["v0", "v1"],
        "cores": [0, 0], "tirs": [0, 1],
    }  # fmt: skip


def test_every_event_has_the_documented_fields_and_a_documented_name(traced):
    documented = set(re.findall(r"`((?:kvm|guest)[a-z_]+)`", DOCUMENT.read_text()))
    for name in ("token_ring.s", "tir_dpdes.s", "cede_prod.s", "decrementer.s"):
        for line in traced(name, "--smt", "4")[0][1:]:
            assert set(line) - {"case"} == {"tb", "actor", "vcpu", "event", "value", "nia"}
            assert line["event"] in documented
            assert line["actor"] == f"v{line['vcpu']}"


def test_time_never_goes_back(traced):
    lines, report = traced("token_ring.s", "--smt", "4", "--schedule", "random")
    times = [line["tb"] for line in lines[1:]]
    assert times == sorted(times)
    assert times[-1] <= report["instructions"]


def test_the_trace_and_the_counters_agree(traced):
    lines, report = traced("token_ring.s", "--smt", "4")
    cases = Counter((line["event"], line.get("case")) for line in lines[1:])
    assert cases["kvm_ppc_doorbell", "sent"] == report["doorbells"]["sent"] == 12
    assert cases["guest_interrupt", "doorbell"] == report["doorbells"]["taken"] == 12
    exits = sum(n for (event, _), n in cases.items() if event == "kvm_guest_exit")
    assert exits == sum(sum(vcpu["exits"].values()) for vcpu in report["vcpus"])


def test_an_event_shows_the_word_that_matters(traced):
    lines, _ = traced("token_ring.s", "--smt", "2")
    sent = [line["value"] for line in lines if line.get("case") == "sent"]
    assert set(sent) == {"0x28000000", "0x28000001"}
    hcalls = {line["value"] for line in lines if line.get("case") == "hcall"}
    assert hcalls == {"0x58", "0xe0", "0xf100"}
    taken = {line["value"] for line in lines[1:] if line["event"] == "guest_interrupt"}
    assert taken == {"0xa00"}


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_an_hcall_is_entered_behind_its_exit_and_left_before_the_next_entry(traced, host):
    lines, _ = traced("cede_prod.s", "--smt", "2", "--host", host)
    calling, answers = {}, Counter()
    for before, line in itertools.pairwise(lines[1:]):
        vcpu, event = line["vcpu"], line["event"]
        if event == "kvm_hcall_enter":
            assert (before["event"], before["case"]) == ("kvm_guest_exit", "hcall")
            assert before["value"] == line["value"] != "0x0"
            calling[vcpu] = line["value"]
        elif event == "kvm_hcall_exit":
            answers[calling.pop(vcpu), line["value"]] += 1
        elif event == "kvm_guest_enter":
            assert vcpu not in calling
            assert line["value"] == "0x0"
        assert (before["event"] == "kvm_hcall_exit") <= (event == "kvm_guest_enter")
    assert answers["0xe0", "0x0"] > 1  # H_CEDE
    assert answers["0xe8", "0x0"] > 1  # H_PROD
    assert list(calling.values()).count("0xf100") == 1  # H_EXIT; others may sleep in theirs


def test_a_long_run_loses_no_event(traced):
    lines, report = traced("spinlock.s", "--smt", "8", "--schedule", "rr:3")
    assert sum(line["event"] == "kvm_guest_exit" for line in lines[1:]) == sum(
        sum(vcpu["exits"].values()) for vcpu in report["vcpus"]
    )


def test_tracing_does_not_change_the_run(emu, guests, tmp_path):
    arguments = ["run", guests / "token_ring.s", "--smt", "4", "--json", "--schedule", "random"]
    assert emu(*arguments).out == emu(*arguments, "--trace", tmp_path / "trace").out


def test_a_trace_never_loses_events_in_silence(emu, guests, tmp_path, monkeypatch):
    monkeypatch.setattr(trace_file, "RING", 16)
    ended = emu("run", guests / "token_ring.s", "--smt", 2, "--trace", tmp_path / "t")
    assert ended.code == 70
    assert "events are lost" in ended.err
