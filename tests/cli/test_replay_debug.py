"""`emu replay CASE --debug`: from a finding to the debugger."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from debug.test_choices import FINE, SENDING

from emu.explore.case import Case, Setting, case_text
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.stage import prepare

ROOT = Path(__file__).parents[2]


def bad_schedule():
    """A schedule at whose end P1 has read x before P0 wrote it."""
    for seed in range(100):
        source = random.Random(seed)
        stage = prepare(build(parse(SENDING, "sending")), FINE, "power8")
        stage.search.reset()
        plan = []
        while possible := stage.search.choices():
            plan.append(source.choice(possible))
            stage.search.take(plan[-1])
        if stage.host is None and stage.search.machine.vcpu[1].gpr[7] == 0:
            return tuple(plan)
    raise AssertionError("no schedule was bad")


@pytest.fixture
def case(tmp_path):
    made = Case(
        kind="litmus", name="sending", property="order", expected="P1 sees what P0 wrote",
        program=SENDING, condition="1:r7=0", schedule=bad_schedule(),
        setting=Setting(host="power8"),
    )  # fmt: skip
    path = tmp_path / "sending.case"
    path.write_text(case_text(made))
    return path


def opened(path, *commands):
    arguments = [part for command in commands for part in ("--ex", command)]
    return subprocess.run(
        [sys.executable, "-m", "emu", "replay", str(path), "--debug", "--batch", *arguments],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
    )  # fmt: skip


def test_it_opens_where_the_bad_end_could_still_be_avoided(case):
    done = opened(case, "choose", "info next", "continue")
    assert done.returncode == 0, done.stderr
    assert "sending on power8: order: P1 sees what P0 wrote" in done.stdout
    assert "lwz     r7,0(r6)" in done.stdout
    assert "this should not be: P1 sees what P0 wrote" in done.stdout


def test_another_choice_leads_to_a_good_end_and_is_a_schedule(case, tmp_path):
    saved = tmp_path / "good"
    done = opened(case, "run v0 1", f"save {saved}", "continue", "p v1.r7", "rsi", "goto 0",
                  f"load {saved}", "info next", "continue", "p v1.r7")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "should not be" not in done.stdout.partition("nothing more")[2]
    assert "$1 = 0x1" in done.stdout
    assert "$2 = 0x1" in done.stdout


def test_what_cannot_be_chosen_says_why(case):
    done = opened(case, "choose 7")
    assert done.returncode == 1
    assert "error: this cannot happen now" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def lost_update(tmp_path_factory):
    """A case of a guest: one thread's store overwrites the other's."""
    folder = tmp_path_factory.mktemp("cases")
    found = subprocess.run(
        [sys.executable, "-m", "emu", "explore", "guests/racy/lost_update.s", "--smt", "2",
         "--save", str(folder)],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
    )  # fmt: skip
    assert found.returncode == 7, found.stderr
    return next(folder.iterdir())


def test_a_guests_case_opens_with_its_symbols_and_its_source(lost_update):
    done = opened(lost_update, "info line", "list", "b lost", "continue", "bt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "until then a good end could be reached" in done.stdout
    assert "ld      r5, 0(r16)" in done.stdout
    assert "breakpoint 1, 0x" in done.stdout
    assert "<lost>" in done.stdout


def test_a_guests_case_is_driven_to_another_end_and_back(lost_update, tmp_path):
    saved = tmp_path / "good"
    done = opened(lost_update, "goto 0", "run v0 30", "run v1 9", f"save {saved}", "continue",
                  "p v1.r5", "goto 0", f"load {saved}", "continue", "p v1.r5", "rc")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "should not be" not in done.stdout
    assert "$1 = 0x2" in done.stdout
    assert "$2 = 0x2" in done.stdout
    assert "the beginning of history" in done.stdout
