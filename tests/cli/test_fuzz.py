"""`emu fuzz` on the command line."""

from __future__ import annotations

import gc
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from processes import PATIENCE_S, alive_in_group, wait_until

import emu.hv.cede
from emu.cli import exit_code_of
from emu.hv.ops import Check, nonzero


def test_a_clean_campaign_is_one_json_object(capsys, tmp_path):
    out = tmp_path / "found"
    arguments = ["fuzz", "--host", "power9", "--runs", "30", "--json", "--out", str(out)]
    assert exit_code_of(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["runs"], report["violations"]) == (1, 30, [])
    assert report["execs_per_s"] > 0
    assert not out.exists()


def test_a_finding_is_exit_code_7_and_a_case_that_replays(capsys, tmp_path, monkeypatch):
    def deaf(vcpu):
        pending: bool = yield Check(nonzero(vcpu.doorbell_request, 0))
        return pending

    monkeypatch.setattr(emu.hv.cede, "kvmppc_doorbell_pending", deaf)
    junit = tmp_path / "junit.xml"
    arguments = ["fuzz", "--host", "power9", "--runs", "100", "--property", "no-lost-wakeup"]
    arguments += ["--out", str(tmp_path), "--junit", str(junit)]
    assert exit_code_of([*arguments, "--json"]) == 7
    violation = json.loads(capsys.readouterr().out)["violations"][0]
    assert violation["property"] == "no-lost-wakeup"
    assert violation["shrunk"]["program"].startswith("PPC no-lost-wakeup")
    assert violation["shrunk"]["schedule"]
    assert exit_code_of(["replay", violation["case"]]) == 7
    capsys.readouterr()
    assert exit_code_of(arguments) == 7
    assert f"replay: emu replay {shlex.quote(violation['case'])}" in capsys.readouterr().out
    suite = ET.fromstring(junit.read_text())  # noqa: S314  our own text
    assert suite.get("failures") == "1"


def test_a_corpus_is_kept_and_gone_on_with(capsys, tmp_path):
    corpus = tmp_path / "corpus"
    arguments = ["fuzz", "--host", "power9", "--vcpus", "2", "--json", "--corpus", str(corpus)]
    assert exit_code_of([*arguments, "--runs", "25"]) == 0
    first = json.loads(capsys.readouterr().out)
    files = sorted(corpus.iterdir())
    assert len(files) == first["corpus"] > 3
    assert exit_code_of([*arguments, "--runs", "1"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["runs"] == len(files)
    assert again["coverage"] == first["coverage"]
    assert sorted(corpus.iterdir()) == files
    files[0].write_text("nothing")
    assert exit_code_of([*arguments, "--runs", "1"]) == 3
    assert f"emu: {files[0]}: this is no TOML" in capsys.readouterr().err


def test_coverage_says_what_was_never_reached(capsys, tmp_path):
    arguments = ["fuzz", "--host", "power9", "--runs", "5", "--coverage"]
    assert exit_code_of([*arguments, "-"]) == 0
    assert "exit: never reached\n" in capsys.readouterr().out
    assert exit_code_of([*arguments, str(tmp_path / "coverage.txt")]) == 0
    assert "instruction: never reached\n" in (tmp_path / "coverage.txt").read_text()
    assert exit_code_of([*arguments, "-", "--json"]) == 2


def test_progress_has_steps_and_corpus_and_findings(capsys):
    assert exit_code_of(["fuzz", "--host", "power9", "--runs", "5"]) == 0
    line = r"steps [1-9]\d*  events [1-9]\d*  corpus [1-9]\d*  found 0\n"
    assert re.search(line, capsys.readouterr().err)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_a_timed_campaign_with_what_it_found(jobs, tmp_path):
    command = [sys.executable, "-m", "emu", "fuzz", "--time", "600", "--host", "power9"]
    command += ["--jobs", jobs, "--vcpus", "2", "--corpus", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: list(tmp_path.iterdir()), "a program is kept")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "found 0" in out
    assert err.endswith("emu: interrupted\n")
    assert "Traceback" not in err
    wait_until(lambda: not alive_in_group(process.pid), "no process is left")


def test_ctrl_c_is_heard_where_python_drops_exceptions(capsys):
    """The garbage collector's callbacks, for one: what is raised in them goes nowhere."""

    def interrupt(_phase, _info):
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # it has begun
            gc.callbacks.remove(interrupt)
            signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupt)
    assert exit_code_of(["fuzz", "--time", "600", "--host", "power9"]) == 130
    assert capsys.readouterr().err.endswith("emu: interrupted\n")


def test_a_scheduler_goes_without_jobs(capsys):
    arguments = ["fuzz", "--runs", "1", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"]
    assert exit_code_of(arguments) == 2
    assert "--scheduler has its own workers" in capsys.readouterr().err


def test_properties_are_listed(capsys):
    assert exit_code_of(["fuzz", "--list-properties"]) == 0
    assert "no-spurious-doorbell\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--property", "nothing"], "there is no property 'nothing'"),
        (["--bug", "nothing"], "nothing"),
        (["--host", "power7", "--smt", "8"], "power7 has SMT modes 1, 2 and 4, got smt 8"),
        (["--runs", "0"], "runs"),
        (["--time", "0"], "a time is a number of seconds above 0, got '0'"),
        (["--time", "nan"], "a time is a number of seconds above 0, got 'nan'"),
        (["--time", "inf"], "a time is a number of seconds above 0, got 'inf'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(arguments, message, capsys):
    assert exit_code_of(["fuzz", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_help_does_not_wait_for_the_machine():
    script = "import sys, emu.cli.fuzz; sys.exit('emu.core.machine' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_junit_report_may_go_to_standard_output_which_takes_no_other_then(
    emu, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    ended = emu("fuzz", "--host", "power9", "--runs", 2, "--junit", "-")
    assert ended.code == 0
    assert ET.fromstring(ended.out).tag == "testsuite"  # noqa: S314  our own text
    assert list(tmp_path.iterdir()) == []
    for other in (["--json"], ["--coverage", "-"]):
        ended = emu("fuzz", "--runs", 2, "--junit", "-", *other)
        assert ended.code == 2
        assert "standard output takes one of" in ended.err
