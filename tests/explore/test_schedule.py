import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.errors import ReplayError
from emu.explore.schedule import parse_short, short_text
from emu.explore.search import Choice, ChoiceKind

choices = st.builds(Choice, st.integers(0, 255), st.sampled_from(ChoiceKind))


@given(st.lists(choices, max_size=30))
def test_a_schedule_survives_being_printed_and_parsed(schedule):
    assert parse_short(short_text(schedule)) == schedule


def test_the_short_form_counts_repetitions():
    go, fail = Choice(0, ChoiceKind.GO), Choice(1, ChoiceKind.FAIL)
    assert short_text([go, go, go, fail, go]) == "0*3 1f 0"


@pytest.mark.parametrize("text", ["x", "0z", "0*", "0*99999999", "-1", "0 *2", "256", "0*9999999"])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ReplayError):
        parse_short(text)
