"""`emu debug` of a litmus test: the debugger over the steps of a search."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def debug(*arguments, commands=()):
    lines = [part for command in commands for part in ("--ex", command)]
    return subprocess.run(
        [sys.executable, "-m", "emu", "debug", *arguments, "--batch", *lines],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
    )  # fmt: skip


def test_a_litmus_test_is_driven_by_hand_with_a_bug_and_without():
    test = "guests/litmus/send-enter.litmus"
    done = debug(
        test, commands=["choose", "run v0 1", "info threads", "c", "rsi", "goto 0", "when"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "=> 0    v0 goes on\n   1    v1 goes on" in done.stdout
    assert "nothing more can happen: " in done.stdout
    bug = debug(test, "--bug", "lost-kick", commands=["catch step Read(v1.doorbell_request)", "c"])
    assert bug.returncode == 0, bug.stdout + bug.stderr
    assert "catchpoint 1, step Read(v1.doorbell_request)" in bug.stdout


def test_each_host_event_of_a_search_is_shown_once():
    done = debug("guests/litmus/send-enter.litmus",
                 commands=["context off", "catch event doorbell", "c", "info events"])  # fmt: skip
    assert done.stdout.count(" v0: kvm_ppc_doorbell:sent") == 1


def test_what_a_litmus_test_has_no_place_for_is_refused():
    done = debug("guests/litmus/send-enter.litmus", "--append", "x")
    assert done.returncode == 2
    assert "a litmus test has no place for --append" in done.stderr
    done = debug("/no/such.litmus")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
