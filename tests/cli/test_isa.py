"""`emu isa`: the manual on the command line."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("name", "title"),
    [("msgsndp", "Message Send Privileged"), ("MSGSNDP", "Message Send Privileged"),
     ("tir", "special purpose register"), ("H_CEDE", "hcall: sc 1")],
)  # fmt: skip
def test_a_name_prints_its_page(emu, name, title):
    ended = emu("isa", name)
    assert ended.code == 0
    assert ended.out.splitlines()[0].endswith(title)


def test_a_name_of_several_words_needs_no_quotes(emu):
    assert emu("isa", "system", "reset").out == emu("isa", "system reset").out


def test_without_a_name_everything_is_listed(emu):
    ended = emu("isa")
    assert ended.code == 0
    assert {"msgsndp", "addi", "tir", "H_CEDE"} <= set(ended.out.split())


def test_the_whole_manual_is_one_page(emu):
    assert emu("isa", "--all").out.startswith("# The machine's manual\n")


def test_an_unknown_name_is_a_usage_error_with_a_suggestion(emu):
    ended = emu("isa", "msgsnpd")
    assert ended.code == 2
    assert "did you mean msgsnd or msgsndp" in ended.err
