"""Corpora: programs as files that read back, and files that are no programs."""

from __future__ import annotations

import pytest

from emu.errors import ConfigError
from emu.fuzz.corpus import MAX_BYTES, CorpusError, Folder, parse_program, program_text
from emu.fuzz.programs import Bounds, Op, Program
from emu.fuzz.strategies import drawn

PROGRAM = Program(((Op("send", 1), Op("cede")), ()), 2, (True, False), agents=("signal:1",))
TEXT = program_text(PROGRAM, "power9")


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_programs_read_back(host):
    for program in drawn(host, Bounds(), 5, 100):
        assert parse_program(program_text(program, host)) == (host, program)


def test_a_program_is_written_as_people_read_it():
    assert '\nthreads = [\n  "send 1; cede 0",\n  "",\n]\nsmt = 2\nee = [true, false]\n' in TEXT
    assert 'agents = ["signal:1"]' in TEXT
    assert "little" not in TEXT  # as it is anyway


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TEXT, "", "format must be 'emu program 1'"),
        (TEXT, "\x00", "this is no TOML"),
        (TEXT, "a = " + "[" * 2000, "this is no TOML"),
        ("smt = 2", "smt = 3", "smt must be 1, 2, 4 or 8, got 3"),
        ("smt = 2", "smt = true", "smt must be 1, 2, 4 or 8, got True"),
        ("smt = 2\n", "", "smt is missing"),
        ("power9", "power10", "host must be one of power7, power8, power9, got 'power10'"),
        ("send 1", "send -1", "a number, got 'send -1'"),
        ("send 1", "send ٣", "a number, got"),
        ("send 1", "send 1 1", "a number, got 'send 1 1'"),
        ("send 1", "send 1" + "0" * 5000, "numbers of a thread of the virtual core"),
        ("send 1", "fly 1", "must be made of an operation of the fuzzer"),
        ("send 1", "cede 0; " * 10 + "cede 0", "must have at most 10 operations each"),
        ('  "",', '  "",' * 9, "threads must be a list of 1 to 8 strings"),
        ('  "",', "  1,", "threads must be strings, got 1"),
        ("[true, false]", "[true]", "ee must be true or false for each of 2 threads"),
        ("[true, false]", "[1, 0]", "ee must be true or false for each of 2 threads"),
        ('["signal:1"]', "[1]", "agents must be strings"),
        ('["signal:1"]', '["nobody"]', "this is no program that runs"),
        ('["signal:1"]', "7", "agents must be a tuple, got 7"),
        ("smt = 2", "smt = 2\nsmall = 1", "small is nothing that a program has"),
    ],
)
def test_what_is_no_program_is_refused_in_words(old, new, message):
    with pytest.raises(CorpusError) as caught:
        parse_program(TEXT.replace(old, new, 1), "a.program")
    assert str(caught.value).startswith("a.program: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_folder_keeps_each_program_once(tmp_path):
    folder = Folder(tmp_path / "new")
    assert list(folder.read()) == []
    paths = {folder.write(PROGRAM, "power9"), folder.write(PROGRAM, "power9")}
    assert len(paths) == 1
    folder.write(PROGRAM, "power8")
    (tmp_path / "new" / "README").write_text("of no concern")
    assert set(folder.read()) == {("power9", PROGRAM), ("power8", PROGRAM)}


def test_files_that_are_no_text_or_too_large_are_refused(tmp_path):
    path = tmp_path / "a.program"
    path.write_bytes(b"\xff")
    with pytest.raises(CorpusError, match=r"a\.program: invalid start byte at byte 0"):
        list(Folder(tmp_path).read())
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(CorpusError, match="at most 65536 bytes"):
        list(Folder(tmp_path).read())


def test_a_folder_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        Folder(tmp_path / "file").write(PROGRAM, "power9")
    (tmp_path / "b.program").mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        list(Folder(tmp_path).read())
