"""A command line, run in this process or in one of its own."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import PATIENCE_S

from emu.cli import exit_code_of


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def emu(capsys, monkeypatch):
    """`emu("run", "-e", "li 3,7")` runs that command in this process."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = exit_code_of([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def emu_process():
    """The same in a process of its own."""

    def run(*arguments, stdin=b"", **options):
        command = [sys.executable, "-m", "emu", *map(str, arguments)]
        ended = subprocess.run(
            command, input=stdin, capture_output=True, timeout=PATIENCE_S, check=False, **options
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture
def guests():
    """Where the guests of this repository are."""
    return Path(__file__).resolve().parents[2] / "guests"


@pytest.fixture
def on_a_terminal():
    """A command whose standard error is a terminal."""

    def run(arguments, until=b""):
        """What it writes there, and its exit code; Ctrl-C when it has written `until`."""
        reader, writer = pty.openpty()
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
        shown = b""
        try:
            while piece := os.read(reader, 4096):
                shown += piece
                if until and until in shown:
                    process.send_signal(signal.SIGINT)
                    until = b""
        except OSError:  # the other end is closed
            pass
        process.communicate(timeout=PATIENCE_S)
        os.close(reader)
        return shown, process.returncode

    return run
