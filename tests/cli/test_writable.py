"""Results that cannot be written where they are asked for: said before the work, not after it."""

import os
import threading

import pytest

from emu.cli.writable import must_be_writable
from emu.errors import ConfigError

SPIN = "PPC spin\n{}\n P0 ;\n nop ;\nexists (true)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "-e", "b .", "--max-insns", "5", "--save", "{}/vm"],
        ["run", "-e", "b .", "--max-insns", "5", "--trace", "{}/trace"],
        ["run", "-e", "b .", "--max-insns", "5", "--record", "{}/turns"],
        ["explore", "-e", "nop", "--save", "{}/cases"],
        ["litmus", "spin.litmus", "--save", "{}/cases"],
        ["litmus", "spin.litmus", "--junit", "{}/report.xml"],
        ["fuzz", "--runs", "1", "--junit", "{}/report.xml"],
        ["fuzz", "--runs", "1", "--coverage", "{}/coverage"],
        ["fuzz", "--runs", "1", "--out", "{}/cases"],
        ["fuzz", "--runs", "1", "--corpus", "{}/programs"],
        ["gdb", "-e", "nop", "--stdio", "--log", "{}/packets"],
    ],
    ids=lambda arguments: " ".join([arguments[0], arguments[-2]]),
)
def test_nothing_is_done_for_a_result_that_has_no_place(emu, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spin.litmus").write_text(SPIN)
    (tmp_path / "file").touch()
    place = arguments[-1].format("file")
    done = emu(*arguments[:-1], place)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"emu: cannot write {place}: Not a directory\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "spin.litmus"]


def test_looking_changes_nothing(tmp_path):
    (tmp_path / "old").write_text("kept")
    must_be_writable([tmp_path / "old", tmp_path / "new", "-", None], [tmp_path / "a" / "b", None])
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "kept"
    must_be_writable(["new"], ["."])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Is a directory"),
        ("none/report", "No such file or directory"),
        ("x" * 300, "File name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_is_named_with_the_reason(tmp_path, name, reason):
    with pytest.raises(ConfigError, match=f"cannot write .*: {reason}"):
        must_be_writable([f"{tmp_path}/{name}"])


def test_a_pipe_is_not_waited_for_and_a_report_goes_through_it(emu, tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    must_be_writable([pipe])
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert emu("fuzz", "--runs", 1, "--host", "power9", "--coverage", pipe).code == 0
    reader.join(30)
    assert read[0]
    assert pipe.is_fifo()
