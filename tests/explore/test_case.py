"""Cases: what is written is read back, and hostile text is refused with the key and the rule."""

import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.explore.case import Case, CaseError, Setting, case_text, parse_case
from emu.explore.search import Choice, ChoiceKind

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
choices = st.builds(Choice, st.integers(0, 255), st.sampled_from(ChoiceKind))
schedules = st.lists(choices, max_size=30).map(tuple)
litmus_settings = st.builds(
    Setting,
    host=st.sampled_from(["power7", "power8", "power9"]),
    bugs=st.lists(text, max_size=3).map(tuple),
    delayed=st.booleans(),
    landing=st.booleans(),
    spurious=st.booleans(),
    timers=st.integers(0, 1 << 16),
)
guest_settings = st.builds(
    replace,
    litmus_settings,
    smt=st.sampled_from([1, 2, 4, 8]),
    vcpus=st.integers(1, 64),
    cores=st.integers(1, 64),
    mem=st.integers(4096, 1 << 32),
    endian=st.sampled_from(["big", "little"]),
    seed=st.integers(0, (1 << 64) - 1),
)


@st.composite
def cases(draw):
    schedule = draw(schedules)
    kind = draw(st.sampled_from(["litmus", "guest"]))
    trail = [draw(text) for _ in schedule] if draw(st.booleans()) else []
    return Case(
        kind=kind,
        name=draw(text),
        property=draw(text),
        expected=draw(text),
        condition=draw(text),
        at_end=draw(st.booleans()),
        loop=draw(st.integers(0, len(schedule))),
        entry=draw(st.none() | st.integers(0, (1 << 64) - 1)),
        form=draw(st.sampled_from(["text", "elf"])),
        program=draw(text),
        assembly=draw(text),
        schedule=schedule,
        trail=tuple(trail),
        setting=draw(litmus_settings if kind == "litmus" else guest_settings),
        tool=draw(text),
    )


GOOD = case_text(
    Case(
        kind="litmus",
        name="t",
        property="lost",
        expected="thread 1 is woken",
        program="PPC T\n",
        schedule=(Choice(0, ChoiceKind.GO),) * 3,
        setting=Setting(),
    )
)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_what_is_written_is_read_back(case):
    assert parse_case(case_text(case)) == case


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_a_truncated_case_is_refused_or_still_whole(case, data):
    whole = case_text(case)
    at = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(CaseError):
        assert replace(parse_case(whole[:at]), setting=case.setting) == case


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_case_or_refused(junk):
    with pytest.raises(CaseError):
        parse_case(junk)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("emu case 1", "emu case 2", "format must be 'emu case 1', got 'emu case 2'"),
        ('kind = "litmus"', 'kind = "book"', "kind must be litmus or guest, got 'book'"),
        ('kind = "litmus"', "kind = 7", "kind must be litmus or guest, got 7"),
        ('name = "t"', "", "name must be a string, got nothing"),
        ('name = "t"', "name = [1]", "name must be a string, got [1]"),
        ("at_end = true", "at_end = 1", "at_end must be true or false, got 1"),
        ("at_end = true", "at_end = true\nloop = 4", "loop must be at most the 3 steps"),
        ("at_end = true", "at_end = true\nloop = -1", "loop must be a number from 0 to 1048576"),
        ("at_end = true", "at_end = true\ncolour = 'red'", "colour is no key of a case, got 'red'"),
        ("at_end = true", "at_end = true\ntrail = ['a']", "trail must have an entry for each of"),
        ("at_end = true", "at_end = true\ntrail = [1]", "trail must be a list of strings"),
        ("0*3", "0*3 9x", "schedule: a step of a schedule reads like 0, 1f or 0*3, got '9x'"),
        ("0*3", "0*99999999", "schedule: a step of a schedule reads"),
        ("0*3", "0*9999999", "schedule: a schedule has at most 1000000 steps"),
        ('host = "power9"', 'host = "power10"', "machine.host must be power7 or power8 or power9"),
        ("timers = 0", "timers = 1e99", "machine.timers must be a number from 0 to 65536"),
        ("timers = 0", f"timers = 1{'0' * 5000}", "this is no TOML file"),
        ("timers = 0", "timers = true", "machine.timers must be a number from 0 to"),
        ("timers = 0", "smt = 3", "machine.smt must be 1, 2, 4 or 8, got 3"),
        ("timers = 0", "mem = 0", "machine.mem must be a number from 4096 to 4294967296, got 0"),
        ("bugs = []", "bugs = 'x'", "machine.bugs must be a list of strings, got 'x'"),
        ("[machine]", "[engine]", "machine must be a table, got nothing"),
        ("[machine]", "[machine", "this is no TOML file: "),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_the_rule_and_the_value(old, new, message):
    assert old in GOOD
    with pytest.raises(CaseError, match=re.escape(message)):
        parse_case(GOOD.replace(old, new), "bad.case")


def test_a_program_stays_readable_in_the_file():
    assert "program = '''\nPPC T\n'''" in GOOD


def test_a_case_about_an_invariant_has_a_schedule_and_no_condition():
    case = Case(
        kind="litmus", name="n", property="invariant", expected="e", program="p",
        schedule=(Choice(0, ChoiceKind.GO),), setting=Setting(), invariant=True,
    )  # fmt: skip
    assert parse_case(case_text(case)) == case
    for broken in (replace(case, schedule=()), replace(case, condition="0:r3=1")):
        with pytest.raises(CaseError, match="invariant must be false"):
            parse_case(case_text(broken))
