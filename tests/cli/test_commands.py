"""What every subcommand has in common."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from processes import PATIENCE_S

from emu import __version__, cli
from emu.cli import COMMANDS, exit_code_of
from emu.errors import ConfigError, ImageError


def test_help_lists_every_subcommand(emu):
    ended = emu("--help")
    assert ended.code == 0
    for name, summary in COMMANDS.items():
        assert name in ended.out
        assert summary in ended.out


def test_help_imports_no_subcommand():
    script = (
        "import sys; from emu.cli import exit_code_of; exit_code_of(['--help'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('emu.') or name == 'lark'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert ended.stdout.splitlines()[-1] == "['emu.cli', 'emu.cli.exit_codes', 'emu.errors']"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_help(emu, name):
    ended = emu(name, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: emu {name} ")


def test_version_is_the_package_version(emu):
    assert emu("--version").out == f"emu {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["--frobnicate"], ["isa", "--nonsense"]])
def test_what_is_no_command_line_is_a_usage_error(emu, arguments):
    ended = emu(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Usage: emu" in ended.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("smt must be 1, 2, 4 or 8, got 3"), 2, "emu: smt must be 1, 2, 4 or 8, got 3"),
        (ImageError("not an ELF file"), 3, "emu: not an ELF file"),
        (KeyboardInterrupt(), 130, "emu: interrupted"),
        (click.Abort(), 130, "emu: interrupted"),
        (ZeroDivisionError("of a kind"), 70, "emu: internal error: ZeroDivisionError: of a kind"),
        (RecursionError("deep"), 70, "emu: internal error: RecursionError: deep"),
        (MemoryError(), 70, "emu: out of memory"),
        (MemoryError("no memory for a search"), 70, "emu: out of memory: no memory for a search"),
    ],
)
def test_whatever_goes_wrong_ends_in_a_message_and_a_code(
    monkeypatch, capsys, error, code, message
):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.delenv("EMU_DEBUG", raising=False)
    monkeypatch.setattr(cli.emu, "invoke", fail)
    assert exit_code_of(["isa"]) == code
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0] == message
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_the_traceback_of_an_internal_error_is_there_for_those_who_ask(monkeypatch, capsys):
    def fail(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(cli.emu, "invoke", fail)
    monkeypatch.setenv("EMU_DEBUG", "1")
    assert exit_code_of(["isa"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_clone_that_is_not_built_says_so(tmp_path):
    package = Path(cli.__file__).parents[1]
    shutil.copytree(package, tmp_path / "emu", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    command = [sys.executable, "-m", "emu", "run", "-e", "nop"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 70
    assert ended.stderr.startswith(f"emu: the C core is not compiled in {tmp_path}: `make build`")


def test_a_second_ctrl_c_while_the_first_is_told_changes_nothing(monkeypatch, capsys):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    def echo(*arguments, echo=cli.click.echo, **options):
        signal.raise_signal(signal.SIGINT)
        echo(*arguments, **options)

    monkeypatch.setattr(cli.emu, "invoke", interrupted)
    monkeypatch.setattr(cli.click, "echo", echo)
    assert exit_code_of(["isa"]) == 130
    assert capsys.readouterr().err == "emu: interrupted\n"


def test_a_closed_pipe_ends_the_command_quietly():
    command = [sys.executable, "-m", "emu", "isa", "--all"]
    writing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writing.stdout.close()
    assert writing.stderr.read() == b""
    assert writing.wait(timeout=PATIENCE_S) == 141


def test_a_full_disk_is_reported_and_is_no_defect():
    command = [sys.executable, "-m", "emu", "isa"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
        )
    assert ended.returncode == 70
    assert ended.stderr == b"emu: cannot write: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.parametrize(
    ("command", "code"), [("run -e 'li 3,7'", 0), ("asm - -o /dev/null", 0), ("litmus -", 3)]
)
def test_a_closed_standard_stream_is_an_empty_one(command, code, closed):
    redirected = f"exec {sys.executable} -m emu {command} {closed}"
    ended = subprocess.run(
        ["bash", "-c", redirected], input=b"", capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == code, ended.stderr.decode()


@pytest.mark.parametrize(
    ("command", "code"), [("nosuch", 2), ("run nosuch.s", 3), ("asm -e bogus -o -", 3)]
)
def test_an_exit_code_does_not_depend_on_whether_anybody_reads_the_message(command, code):
    redirected = f"exec {sys.executable} -m emu {command} 2> /dev/full"
    assert (
        subprocess.run(["bash", "-c", redirected], timeout=PATIENCE_S, check=False).returncode
        == code
    )


def test_more_stacks_than_memory_is_usage(emu):
    ended = emu("run", "-e", "nop", "--vcpus", "1024")
    assert ended.code == 2
    assert ended.err == (
        "emu: each vcpu needs a stack of 0x10000 bytes, "
        "got 1024 vcpus in 0x1000000 bytes of memory\n"
    )


def test_a_log_that_cannot_be_written_is_usage(emu, tmp_path):
    ended = emu("gdb", "-e", "nop", "--stdio", "--log", tmp_path)
    assert (ended.code, ended.err) == (2, f"emu: cannot write {tmp_path}: Is a directory\n")
