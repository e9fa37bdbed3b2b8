import json
import re
from pathlib import Path

import pytest

from emu.explore.deviations import DEVIATIONS

ROOT = Path(__file__).parents[2]
BOTH_READ = ROOT / "guests" / "litmus" / "both-read.litmus"
PAGE = (ROOT / "docs" / "refinement.md").read_text()


def steady(text):
    """Leave out what changes whenever the hypervisor's source does."""
    return re.sub(r"schedule: .*", "schedule: ...", text)


@pytest.mark.parametrize("transcript", re.findall(r"```transcript\n(.*?)```", PAGE, re.DOTALL))
def test_the_pages_transcripts_are_what_the_command_prints(emu, monkeypatch, transcript):
    monkeypatch.chdir(ROOT)
    command, _, output = transcript.partition("\n")
    done = emu(*command.removeprefix("$ emu ").split())
    assert (done.code, steady(done.out)) == (0, steady(output))


def test_the_page_names_every_deviation():
    assert DEVIATIONS
    for name in DEVIATIONS:
        assert f"(`{name}`)" in PAGE


def test_json_says_which_outcomes_are_extra_and_why(emu):
    report = json.loads(emu("litmus", "--json", "--refines", "power9:power8", BOTH_READ).out)
    assert report["schema"] == 1
    (one,) = report["refinements"]
    assert (one["name"], one["refines"], one["complete"]) == ("both-read", True, True)
    (extra,) = one["extras"]
    assert extra["outcome"] == "0:r5=1; 1:r5=2; pend(0)=1; pend(1)=1;"
    assert extra["deviation"] == "dpdes-read-not-atomic"
    assert extra["schedule"]


def test_what_does_not_refine_is_exit_code_7(emu, tmp_path):
    path = tmp_path / "t.litmus"
    path.write_text(BOTH_READ.read_text().replace("deviation=dpdes-read-not-atomic", ""))
    done = emu("litmus", "--refines", "power9:power8", path)
    assert done.code == 7
    assert "NOT ACCEPTED: 0:r5=1; 1:r5=2;" in done.out


def test_a_bad_pair_is_a_usage_error(emu):
    done = emu("litmus", "--refines", "power9", BOTH_READ)
    assert done.code == 2
    assert "HOST:HOST" in done.err
