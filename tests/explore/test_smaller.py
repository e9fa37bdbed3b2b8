"""Smaller programs: what comes out has less of something, and is a test again."""

import pytest

from emu.explore.litmus.parse import parse
from emu.explore.litmus.text import litmus_text
from emu.explore.smaller import smaller

TEST = """PPC T
EE=0,0,1
Agent=signal:2
{
0:r4=db(2); 0:r2=data; 0:r1=7;
2:r2=flag; 2:r3=data;
flag=5;
}
 P0           | P1 | P2           ;
 stw r1,0(r2) |    | lwz r6,0(r2) ;
 li r5,3      |    | prod 2       ;
 msgsndp r4   |    | lwz r7,0(r3) ;
handler 2 doorbell { li r9,1; rfid }
~exists (2:r6=1 /\\ 2:r7=0 /\\ not (data=flag))
"""


def candidates(text=TEST):
    return list(smaller(parse(text)))


def test_every_smaller_test_is_one_that_parses_and_no_two_are_equal():
    texts = [test.text for test in candidates()]
    assert len(set(texts)) == len(texts)
    assert TEST not in texts
    for text in texts:
        parse(text)


def test_going_on_with_any_of_them_comes_to_an_end():
    test, steps = parse(TEST), 0
    while (found := next(smaller(test), None)) is not None:
        test, steps = parse(found.text), steps + 1
        assert steps < 200


def test_a_thread_in_the_middle_goes_and_the_others_are_renumbered():
    (test,) = (t for t in candidates() if len(t.threads) == 2)
    assert test.header["EE"] == "0,1"
    assert test.header["Agent"] == "signal:1"
    text = test.text
    assert "0:r4=db(1)" in text
    assert "prod 1" in text
    assert "handler 1 doorbell" in text
    assert "~exists (1:r6=1 /\\ 1:r7=0 /\\ not ([data]=flag))" in text


def test_a_thread_that_is_spoken_of_stays():
    text = TEST.replace("~exists (2:r6=1", "~exists (taken(1)=1")
    assert all(len(test.threads) == 3 for test in candidates(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("li r5,3", "li r5,0"),  # an operand
        ("li r5,3", "li r5,1"),
        ("0:r1=7", "0:r1=1"),  # an initial value
        ("2:r2=flag", "2:r2=data"),  # a location
        ("flag=5", "flag=0"),
        (" /\\ not ([data]=flag)", ""),  # a part of the condition
        ("li r9,1; ", ""),  # of a handler
        ("EE=0,0,1", "EE=0,0,0"),
    ],
)
def test_one_thing_is_plainer(before, after):
    whole = litmus_text(parse(TEST))
    assert before in whole
    assert whole.replace(before, after, 1).split() in [test.text.split() for test in candidates()]


def test_locations_get_the_names_of_herds_tests():
    test = candidates()[-1]
    assert "0:r2=x" in test.text
    assert "2:r2=y" in test.text
    assert "not ([x]=y)" in test.text
    assert "y=5;" in test.text
