"""`emu trace`: a run's trace as text, compared, and drawn."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest


@pytest.fixture
def ring(emu, guests, tmp_path):
    """A trace of the token ring, on the host that is asked for."""

    def run(host="power9", *options):
        file = tmp_path / f"{host}{len(options)}.trace"
        arguments = ["--smt", "2", "--host", host, "--trace", file, *options]
        assert emu("run", guests / "token_ring.s", *arguments).code == 0
        return file

    return run


def test_show_prints_every_event_on_a_line(emu, ring):
    file = ring()
    shown = emu("trace", "show", file)
    assert shown.code == 0
    assert len(shown.out.splitlines()) == len(file.read_text().splitlines()) - 1
    assert re.search(r" v0 \[000\] +280: kvm_ppc_doorbell: sent value=0x28000001", shown.out)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--vcpu", "1"], lambda line: "[001]" in line),
        (["--vcpu", "v1"], lambda line: "[001]" in line),
        (["--actor", "v0"], lambda line: " v0 " in line),
        (["--event", "*doorbell*"], lambda line: "doorbell" in line),
        (["--event", "kvm_guest_exit:hcall"], lambda line: "kvm_guest_exit: hcall" in line),
        (["--from", "280", "--to", "286"], lambda line: 280 <= int(line[14:25]) <= 286),
    ],
)
def test_show_selects_events(emu, ring, options, wanted):
    file = ring()
    everything = emu("trace", "show", file).out.splitlines()
    expected = [line for line in everything if wanted(line)]
    assert 0 < len(expected) < len(everything)
    assert emu("trace", "show", file, *options).out.splitlines() == expected


def test_a_trace_may_come_on_standard_input(emu, ring):
    file = ring()
    assert emu("trace", "show", "-", stdin=file.read_bytes()).out == emu("trace", "show", file).out


def test_a_vcpu_that_a_trace_has_not_is_usage(emu, ring):
    for vcpu, message in (("2", "below 2"), ("one", "as 1 or v1, got 'one'")):
        ended = emu("trace", "show", ring(), "--vcpu", vcpu)
        assert ended.code == 2
        assert message in ended.err


def test_a_timeline_does_not_take_the_place_of_its_trace(emu, ring):
    file = ring()
    before = file.read_bytes()
    assert emu("trace", "view", file, "-o", file).code == 2
    assert file.read_bytes() == before


def test_equal_traces_have_no_difference(emu, ring):
    file = ring()
    assert emu("trace", "diff", file, file) == (0, "", "")


def test_diff_shows_the_first_difference_with_what_came_before(emu, ring):
    file = ring()
    lines = file.read_text().splitlines(keepends=True)
    changed = file.with_suffix(".changed")
    lines[9] = lines[9].replace("0x58", "0x59").replace("0x10054", "0x10058")
    changed.write_text("".join(lines))
    ended = emu("trace", "diff", file, changed, "--context", "2")
    assert ended.code == 1
    assert ended.out.splitlines()[0].startswith("8 equal events; the first difference is at t=")
    assert [line[0] for line in ended.out.splitlines()[1:]] == [" ", " ", "-", "-", "+", "+"]


def test_diff_says_which_trace_ends(emu, ring):
    file = ring()
    short = file.with_suffix(".short")
    short.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    ended = emu("trace", "diff", file, short)
    assert ended.code == 1
    assert ended.out.splitlines()[0].endswith(f"{short} ends")


def test_diff_tells_another_host_by_the_first_line(emu, ring):
    ended = emu("trace", "diff", ring("power8"), ring("power9"))
    assert ended == (1, "host differ: power8 and power9\n", "")


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_page_draws_an_arrow_for_each_doorbell_that_was_taken(emu, ring, host, tmp_path):
    page = tmp_path / "page.html"
    assert emu("trace", "view", ring(host), "-o", page).code == 0
    text = page.read_text()
    assert text.count('class="arrow"') == 6
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])  # noqa: S314
    states = {title.text.split()[0] for title in svg.iterfind(".//{*}rect/{*}title")}
    assert states >= {"guest", "ceded"}
    assert not re.search(r"<script|(?:src|href)=|@import", text)


def test_chrome_json_has_a_thread_for_each_vcpu_and_pairs_of_flow_events(emu, ring, tmp_path):
    file = tmp_path / "chrome.json"
    assert emu("trace", "view", ring(), "--chrome", file).code == 0
    events = json.loads(file.read_text())["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert names == ["v0 (TIR=0)", "v1 (TIR=1)"]
    starts, ends = ([e["id"] for e in events if e["ph"] == ph] for ph in "sf")
    assert starts == ends == list(range(1, 7))


@pytest.mark.parametrize("command", ["show", "diff", "view"])
def test_a_damaged_trace_is_bad_input_with_its_line(emu, ring, command, tmp_path):
    file = ring()
    file.write_bytes(file.read_bytes()[:-10])
    number = len(file.read_text().splitlines())
    others = {"show": [], "diff": [file], "view": ["-o", tmp_path / "page.html"]}[command]
    ended = emu("trace", command, file, *others)
    assert ended.code == 3
    assert f"line {number}: a line must be a JSON object" in ended.err


def test_a_trace_that_cannot_be_read_is_bad_input(emu, tmp_path):
    assert emu("trace", "show", tmp_path / "nosuch").code == 3
    assert emu("trace", "show", tmp_path).code == 3


def test_view_wants_to_know_where_to_draw(emu, ring):
    assert emu("trace", "view", ring()).code == 2


def test_a_trace_goes_to_standard_output_unless_json_does(emu, emu_process):
    run = emu_process("run", "-e", "nop", "--trace", "-")
    assert run.code == 0
    assert json.loads(run.out.splitlines()[0])["trace"] == "emu"
    both = emu("run", "-e", "nop", "--trace", "-", "--json")
    assert (both.code, both.out) == (2, "")
