"""`emu bugs` and `--bug`."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE_S, alive_in_group, wait_until

from emu.explore.zoo import ZOO, matrix
from emu.explore.zoo.matrix import LostError


def test_the_list_names_every_bug(emu):
    ended = emu("bugs")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == list(ZOO)


def test_an_entry_shows_the_step_that_changes_and_what_finds_it(emu):
    out = emu("bugs", "lost-kick").out
    assert "c7fa848ff01d, 2022) [R, S]" in out
    assert "-    yield Write(vcpu.cpu, 1 + cpu.number)" in out
    assert "emu litmus --bug lost-kick --host power9 guests/litmus/send-enter.litmus" in out


def test_the_list_as_json(emu):
    found = json.loads(emu("bugs", "--json").out)
    assert found["schema"] == 1
    assert [entry["name"] for entry in found["bugs"]] == list(ZOO)


def test_an_unknown_bug_is_a_mistake_of_usage(emu):
    for arguments in (["bugs", "lost-kik"], ["run", "-e", "nop", "--bug", "lost-kik"]):
        ended = emu(*arguments)
        assert ended.code == 2
        assert "did you mean lost-kick" in ended.err


def test_fuzz_keeps_to_the_hosts_that_can_have_the_bug(emu, tmp_path):
    ended = emu("fuzz", "--bug", "lost-kick", "--host", "power8", "--runs", 1, "--out", tmp_path)
    assert ended.code == 2
    assert "lost-kick is a bug of power9, got host power8" in ended.err
    ended = emu("fuzz", "--bug", "lost-kick", "--runs", 1, "--bug", "nap", "--out", tmp_path)
    assert ended.code == 2
    assert "the bug zoo has no 'nap'" in ended.err


def test_a_host_that_cannot_have_the_bug_is_refused(emu):
    ended = emu("run", "-e", "nop", "--host", "power8", "--bug", "lost-kick")
    assert ended.code == 2
    assert "lost-kick is a bug of power9, got host power8" in ended.err


def test_a_plain_run_has_the_bug(emu):
    guest = "li r3,0xe8; li r4,0; sc 1; li r3,0xe0; sc 1"  # H_PROD of itself, H_CEDE
    assert "v0  r3=0x0\n" in emu("run", "-e", guest, "--show", "r3").err
    ended = emu("run", "-e", guest, "--show", "r3", "--bug", "cede-without-result")
    assert "v0  r3=0xe0\n" in ended.err


def test_a_litmus_test_finds_the_bug_and_its_case_replays(emu, guests, tmp_path):
    test = guests / "litmus" / "send-enter.litmus"
    assert emu("litmus", test).code == 0
    ended = emu("litmus", "--bug", "lost-kick", "--save", tmp_path, test)
    assert ended.code == 7
    assert "power8" not in ended.out
    case = next(tmp_path.glob("*.case"))
    assert 'bugs = ["lost-kick"]' in case.read_text()
    assert emu("replay", case).code == 7


def test_the_list_needs_no_litmus_tests_and_the_matrix_says_that_it_does(
    emu, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)  # as where emu was installed from a wheel
    assert emu("bugs").code == emu("bugs", "lost-kick").code == 0
    ended = emu("bugs", "--kill-matrix", "lost-kick")
    assert ended.code == 2
    assert "the kill matrix needs litmus tests, and guests/litmus is no directory" in ended.err


def test_the_matrix_says_what_was_found(emu, guests, monkeypatch):
    monkeypatch.chdir(guests.parent)
    ended = emu("bugs", "--kill-matrix", "--named-tests", "shared-dpdes-overwrite", "--json")
    assert ended.code == 0
    (row,) = json.loads(ended.out)["matrix"]
    assert row["found"]
    assert row["shortest"]["switches"] == 1
    assert set(row["median_executions"]) == {"random", "pct", "pos"}


def test_the_matrix_has_a_line_for_each_bug_and_test(emu, guests, tmp_path):
    for name in ("send-enter", "send-enabled", "prod-cede"):
        text = (guests / "litmus" / f"{name}.litmus").read_text()
        (tmp_path / f"{name}.litmus").write_text(text)
    ended = emu("bugs", "--kill-matrix", "--cells", "--tests", tmp_path, "lost-kick")
    lines = [line.split()[:2] for line in ended.out.splitlines() if line.startswith("  ")]
    assert sorted(lines) == [
        ["-", "prod-cede@9"],
        ["-", "send-enabled@9"],
        ["found", "send-enter@9"],
    ]


def test_the_matrix_is_the_same_on_several_processes(emu, guests, monkeypatch):
    monkeypatch.chdir(guests.parent)

    def found(*more):
        ended = emu("bugs", "--kill-matrix", "--named-tests", "lost-kick", "tag-ignored", *more)
        assert ended.code == 0
        return re.sub(r"[0-9.]+ s ", "", ended.out)

    assert found("--jobs", 2) == found()


def test_a_process_that_dies_is_no_row():
    with pytest.raises(LostError, match="the process that ran lost-kick has died"):
        list(matrix._on_processes(sys.exit, [ZOO["lost-kick"]], 1))


@pytest.mark.parametrize("when", ["starting", "at work"])
def test_ctrl_c_ends_a_matrix_on_several_processes_with_one_line(guests, when):
    process = subprocess.Popen(
        [sys.executable, "-m", "emu", "bugs", "--kill-matrix", "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        cwd=guests.parent,
    )  # fmt: skip
    if when == "starting":
        # With the one that Python keeps for itself.
        wait_until(lambda: len(alive_in_group(process.pid)) == 4, "two processes are started")
    else:
        assert process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "emu: interrupted\n")
    wait_until(lambda: not alive_in_group(process.pid), "no process is left")


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "bugs.md").read_text()


def test_the_page_shows_what_the_commands_print():
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    assert len(parts) == 2
    for part in parts:
        command, _, output = part.partition("\n")
        script = f'emu() {{ "{sys.executable}" -m emu "$@"; }}\n{command}'
        shown = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False,
            cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        assert shown.stdout == output


def test_the_matrix_of_the_page_has_every_bug():
    rows = PAGE.partition("## What finds what")[2]
    assert re.findall(r"^    (?!bug )([a-z0-9-]+) ", rows, re.MULTILINE) == list(ZOO)
