"""`emu gdb`: what it refuses, and how it ends when nobody listens."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUEST = ["-e", "_start: addi 3,3,1; b _start"]
READ_ALL = b"$g#67"


def emu_gdb(*arguments, said=b"", output=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-m", "emu", "gdb", *GUEST, *arguments],
        input=said, stdout=output, stderr=subprocess.PIPE, timeout=120, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --stdio and --listen"),
        (["--stdio", "--listen", ":0"], "one of --stdio and --listen"),
        (["--listen", "nonsense"], "an address to listen at is HOST:PORT, got 'nonsense'"),
        (["--listen", "localhost:99999"], "an address to listen at is HOST:PORT"),
        (["--listen", "no.such.host.invalid:1"], "cannot listen at no.such.host.invalid:1"),
        (["--stdio", "--log", "/nonexistent/log"], "cannot write /nonexistent/log"),
    ],
)
def test_what_cannot_be_is_usage(arguments, message):
    done = emu_gdb(*arguments)
    assert done.returncode == 2
    assert message in done.stderr.decode()


def test_pipes_that_end_end_it():
    assert emu_gdb("--stdio").returncode == 0
    done = emu_gdb("--stdio", said=READ_ALL)
    assert done.returncode == 0
    assert done.stdout.startswith(b"+$0000000000000000")
    assert emu_gdb("--stdio", said=b"$vCont;c#a8").returncode == 0  # while the guest runs


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_what_cannot_be_written_is_said():
    with Path("/dev/full").open("wb") as full:
        done = emu_gdb("--stdio", said=READ_ALL, output=full)
    assert (done.returncode, done.stderr) == (
        2,
        b"emu: cannot talk to gdb: No space left on device\n",
    )
    done = emu_gdb("--stdio", "--log", "/dev/full", said=READ_ALL)
    assert (done.returncode, done.stderr) == (
        2,
        b"emu: cannot write /dev/full: No space left on device\n",
    )
