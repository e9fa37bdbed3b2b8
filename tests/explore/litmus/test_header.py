"""Keys in the header of a litmus test: ours, herd's, slips, and those that nobody knows."""

import re
from pathlib import Path

import pytest

from emu.explore.litmus.guest import build
from emu.explore.litmus.header import HERD_KEYS, KEYS
from emu.explore.litmus.parse import LitmusError, load, parse

PAGE = Path(__file__).resolve().parents[3] / "docs" / "litmus.md"
TEST = 'PPC EE\n"EE= and Limit"\n{}\n{{}}\n P0 ;\n nop ;\nexists (true)\n'


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("Timer", "Timers"),
        ("Limits", "Limit"),
        ("Host", "Hosts"),
        ("Agents", "Agent"),
        ("Plicy", "Policy"),
        ("Livelocks", "Livelock"),
        ("Edian", "Endian"),
        ("Strat", "Start"),
        ("smt", "SMT"),
        ("ee", "EE"),
    ],
)
def test_a_slip_is_refused_with_its_place_and_what_was_meant(key, meant):
    with pytest.raises(LitmusError) as caught:
        parse(TEST.format(f"Orig=a\n  {key} = 1"), "t.litmus")
    message = str(caught.value)
    assert f"error: no such key: {key}\n" in message
    assert "--> t.litmus:4:3\n" in message
    assert f"4 |   {key} = 1\n" in message
    assert f"did you mean `{meant}`?" in message


@pytest.mark.parametrize("key", sorted(HERD_KEYS))
def test_what_herd_knows_is_taken_without_a_word(key):
    assert parse(TEST.format(f"{key}=1")).warnings == []


def test_what_nobody_knows_is_taken_and_pointed_out():
    test = parse(TEST.format("Foo=bar"), "t.litmus")
    assert test.header == {"Foo": "bar"}
    (warning,) = test.warnings
    assert warning.render().startswith("warning: the key Foo means nothing\n")
    assert "t.litmus:3:1" in warning.render()


def test_a_line_of_ours_stands_once():
    with pytest.raises(LitmusError, match="SMT is given twice"):
        parse(TEST.format("SMT=2\nSMT=4"))
    assert parse(TEST.format("Relax=a\nRelax=b")).header == {"Relax": "b"}


def test_what_is_wrong_with_a_value_is_shown_at_its_line():
    with pytest.raises(LitmusError) as caught:
        build(parse(TEST.format("EE=7"), "t.litmus"))
    assert "t.litmus:3:1" in str(caught.value)


def test_no_test_of_herds_is_warned_about(herd_tests):
    assert [path for path, _ in herd_tests if load(path).warnings] == []


def test_the_page_lists_every_key():
    section = PAGE.read_text().partition("## The header")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)=", section, re.MULTILINE)) == KEYS
