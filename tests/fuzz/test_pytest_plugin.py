"""The pytest plugin, in test suites of other projects: stored cases, and guests."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emu.explore.case import parse_case
from emu.explore.zoo import switched_on
from emu.fuzz import regression

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases"
PAGE = (ROOT / "docs" / "campaigns.md").read_text().split("## From your own tests")[1]
LOST_KICK = CASES / "lost-kick.case"


def suite(folder, *arguments):
    """Run pytest in a folder, as another project would."""
    command = [sys.executable, "-m", "pytest", "-p", "emu.fuzz.pytest_plugin", "-p", "no:emu", "-q"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments, str(folder)],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def block(language):
    """The first block of a language on the page."""
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_the_example_of_the_page_passes(tmp_path):
    (tmp_path / "wake.s").write_text(block("asm"))
    (tmp_path / "test_wake.py").write_text(block("python"))
    code, output = suite(tmp_path)
    assert (code, re.search(r"(\d+) passed", output)[1]) == (0, "3"), output


def test_a_guest_that_fails_is_one_command_away(tmp_path):
    (tmp_path / "wake.s").write_text(block("asm").replace("li 4, 0", "li 4, 1"))
    (tmp_path / "test_wake.py").write_text(block("python"))
    code, output = suite(tmp_path, "-k", "machine or power9")
    assert code == 1
    assert "on power9: the guest reports failure, status 1" in output
    command = re.search(r"^E +emu (run .*)$", output, re.MULTILINE)[1].split()
    run = [sys.executable, "-m", "emu", *command]
    assert subprocess.run(run, cwd=ROOT, check=False, timeout=120).returncode == 1
    replay = re.search(r"^E +emu (replay .*)$", output, re.MULTILINE)[1].split()
    told = subprocess.run(
        [sys.executable, "-m", "emu", *replay], cwd=ROOT, check=False, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 7
    assert "exit 1" in told.stdout


def test_cases_are_collected_and_other_files_of_that_name_are_not(tmp_path):
    (tmp_path / "ours.case").write_text(LOST_KICK.read_text())
    (tmp_path / "theirs.case").write_text("Case 17: in which nothing happens")
    (tmp_path / "empty.case").write_text("")
    code, output = suite(tmp_path, "-v")
    assert (code, re.findall(r"(\w+\.case)", output)) == (0, ["ours.case"]), output


def test_a_case_that_is_none_fails_with_what_is_wrong(tmp_path):
    (tmp_path / "bad.case").write_text('format = "emu case 1"\nkind = 7\n')
    code, output = suite(tmp_path)
    assert code == 1
    assert "bad.case: kind must be litmus or guest, got 7" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("path", sorted(CASES.glob("*.case")), ids=lambda path: path.stem)
def test_stored_cases_happen_with_their_bug_and_only_then(path):
    case = parse_case(path.read_text(), path.name)
    assert case.setting.bugs
    assert not regression.again(case).happens
    # With the bug in the code, as if it had come back: the setting does not name it.
    with switched_on(case.setting.bugs):
        assert regression.again(case).happens


def test_a_schedule_that_no_longer_fits_is_searched_for_again():
    case = parse_case(LOST_KICK.read_text())
    with switched_on(case.setting.bugs):
        assert regression.again(case).how.startswith("replayed: ")
        shorter = replace(case, schedule=case.schedule[:-1], trail=case.trail[:-1])
        verdict = regression.again(shorter)  # as of a version with a step less
        assert verdict.happens
        assert "searched every interleaving" in verdict.how
    verdict = regression.again(case)
    assert not verdict.happens
    assert "searched every interleaving" in verdict.how
