"""`emu run --save` and `--restore`: one run in two pieces, on two hosts."""

import subprocess
import sys
from pathlib import Path

import pytest

GUESTS = Path(__file__).parents[2] / "guests"


def emu(*arguments):
    command = [sys.executable, "-m", "emu", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


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
    assert file.read_bytes().startswith(b"emu-vm 2 ")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A saved VM of two vcpus, smt 2."""
    file = tmp_path_factory.mktemp("saved") / "vm"
    assert emu("-e", "b .", "--smt", 2, "--save", file, "--save-at", 10).returncode == 0
    return file


@pytest.mark.parametrize(
    "options",
    [
        ("--smt", "2"), ("--vcpus", "2"), ("--mem", "16M"), ("--machine", "bare"),
        ("--seed", "7", "--schedule", "random"), ("--host", "power8", "--cores", "2"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_options_that_agree_with_the_saved_vm_or_say_where_it_goes_on_are_heeded(stopped, options):
    assert emu("--restore", stopped, "--max-insns", 5, *options).returncode == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--smt", "4"], "--smt must be 2 or left out, as the saved VM has it, got 4"),
        (["--vcpus", "1"], "--vcpus must be 2 or left out, as the saved VM has it, got 1"),
        (["--mem", "1M"], "--mem must be 16777216 or left out, as the saved VM has it"),
        (["--machine", "pseries"], "--machine must be bare or left out"),
        *(
            (option, f"{option[0]} is for a guest that starts, not for --restore")
            for option in (
                ["--endian", "big"], ["--entry", "0"], ["--raw"], ["--raw", "--load-at", "0"],
                ["--append", "x"], ["--pvr", "1"], ["--initrd", "x"], ["--rtc", "@0"],
            )
        ),
    ],
)  # fmt: skip
def test_options_that_a_restored_vm_cannot_heed_are_refused(stopped, options, message):
    found = emu("--restore", stopped, "--max-insns", 5, *options)
    assert found.returncode == 2
    assert message in found.stderr


def test_a_guest_that_ends_first_is_not_saved(tmp_path):
    file = tmp_path / "vm"
    found = emu("-e", "nop", "--save", file, "--save-at", 100)
    assert found.returncode == 0
    assert f"{file} was not written: the run ended before\n" in found.stderr
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--save-at", "5", "-e", "nop"], 2, "--save-at N needs --save FILE"),
        (["--save", "x", "-e", "nop"], 2, "--save FILE needs --save-at N (or --max-insns N)"),
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
