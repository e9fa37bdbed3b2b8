"""A real gdb debugs C in either byte order: lines, variables, frames, calls, and back."""

import pytest

pytestmark = pytest.mark.parametrize("endian", ["big", "little"])


@pytest.fixture
def c(gdb, endian):
    return lambda *lines: gdb(*lines, guest="totals", endian=endian, options="--smt 1")


def test_lines_frames_and_locals(c):
    said = c("break main", "continue", "next", "step", "backtrace", "p n", "info locals", "up",
             "p i", "down", "finish", "p total", "info source", "list twice,+2")  # fmt: skip
    assert "Breakpoint 1, main () at" in said
    assert "twice (n=0) at" in said
    assert "in main () at" in said
    assert said[1] == "0"
    assert "Value returned is $3 = 0" in said
    assert "Source language is c." in said


def test_variables_are_read_written_and_watched(c):
    said = c("break main", "continue", "p where", "p name", "set var where.y = 10", "p where",
             "watch total", "continue", "continue", "p total", "reverse-continue", "p total",
             "delete", "tbreak twice if n == 3", "continue", "p n", "p $lr")  # fmt: skip
    assert said[1] == "{x = 3, y = 4}"
    assert said[2] == '"emu"'
    assert said[3] == "{x = 3, y = 10}"
    assert "Old value = 2\nNew value = 6" in said
    assert said[4] == "6"
    assert "Old value = 6\nNew value = 2" in said
    assert said[5] == "2"
    assert said[6] == "3"


def test_going_back_by_lines_and_calls(c):
    said = c("tbreak twice if n == 2", "continue", "reverse-finish", "p i", "reverse-next",
             "reverse-next", "p i", "reverse-step", "info symbol $pc", "p $_")  # fmt: skip
    assert said[1] == "2"
    assert said[2] == "1"


def test_a_function_is_called_and_the_end_reached(c):
    said = c("break main", "continue", "p twice(21)", "until 17", "p total", "continue",
             "continue", "p $_exitcode")  # fmt: skip
    assert said[1] == "42"
    assert "the guest exited with status 7" in said
    assert "exited with code 07" in said
    assert said[2] == "7" or said[3] == "7"
