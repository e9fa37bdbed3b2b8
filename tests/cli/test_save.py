"""`emu run --save` and `--restore`: one run in two pieces, on two hosts."""

import subprocess
import sys
from pathlib import Path

import pytest

GUESTS = Path(__file__).parents[2] / "guests"


def emu(*arguments):
    command = [sys.executable, "-m", "emu", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("hosts", [("power9", "power8"), ("power8", "power9")], ids="-".join)
def test_a_run_in_two_pieces_prints_what_one_run_does(tmp_path, hosts):
    ring = GUESTS / "token_ring.s"
    whole = emu(ring, "--smt", 4, "--host", hosts[0])
    file = tmp_path / "vm"
    first = emu(ring, "--smt", 4, "--host", hosts[0], "--save", file, "--save-at", 1500)
    second = emu("--restore", file, "--host", hosts[1])
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout + second.stdout == whole.stdout
    assert "after 1500 instructions" in first.stderr


def test_a_limit_may_also_be_where_it_is_saved(tmp_path):
    file = tmp_path / "vm"
    assert emu("-e", "b .", "--save", file, "--max-insns", 10).returncode == 4
    assert file.read_bytes().startswith(b"emu-vm 1 ")


def test_a_guest_that_ends_first_is_not_saved(tmp_path):
    file = tmp_path / "vm"
    assert emu("-e", "nop", "--save", file, "--save-at", 100).returncode == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--save-at", "5", "-e", "nop"], 2, "--save-at N needs --save FILE"),
        (["--restore", "x", "-e", "nop"], 2, "--restore FILE takes the place of GUEST"),
        (["--restore", "absent"], 3, "cannot read absent: No such file or directory"),
        (["--restore", str(GUESTS / "hello.s")], 3, "hello.s: a saved VM must begin with"),
        (["-e", "b .", "--save", "/", "--save-at", "5"], 2, "cannot write /: Is a directory"),
    ],
)
def test_what_cannot_be_saved_or_restored_is_said(arguments, code, message):
    found = emu(*arguments)
    assert found.returncode == code
    assert message in found.stderr
    assert "Traceback" not in found.stderr
