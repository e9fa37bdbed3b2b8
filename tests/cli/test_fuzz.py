"""`emu fuzz` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from xml.etree import ElementTree as ET

import pytest

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
    assert f"replay: emu replay {violation['case']}" in capsys.readouterr().out
    suite = ET.fromstring(junit.read_text())  # noqa: S314  our own text
    assert suite.get("failures") == "1"


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
        (["--time", "0"], "time"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(arguments, message, capsys):
    assert exit_code_of(["fuzz", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_help_does_not_wait_for_the_machine():
    script = "import sys, emu.cli.fuzz; sys.exit('emu.core.machine' in sys.modules)"
    began = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert time.perf_counter() - began < 5
