"""A real gdb goes back: by instruction, line and call, to breakpoints and the beginning."""


def test_reverse_stepi_undoes_stepi_up_to_the_beginning(gdb):
    said = gdb("stepi", "p/d $pc - (long)&_start", "stepi", "reverse-stepi",
               "p/d $pc - (long)&_start", "reverse-stepi", "reverse-stepi", "stepi",
               "p/d $pc - (long)&_start")  # fmt: skip
    assert said[1] == "4"
    assert said[2] == "4"
    assert "No more reverse-execution history" in said
    assert said.sent("bs")


def test_reverse_next_goes_over_calls_and_reverse_step_into_them(gdb):
    said = gdb("break after", "continue", "reverse-next", "p/d $pc - (long)&_start", "continue",
               "reverse-step", "info symbol $pc", options="--smt 1")  # fmt: skip
    assert said[1] == "12"
    assert "outer + 28 in section .text" in said


def test_reverse_finish_goes_back_to_the_call(gdb):
    said = gdb("tbreak helper", "continue", "stepi", "reverse-finish", "p/d $pc - (long)&outer",
               "reverse-finish", "p/d $pc - (long)&_start", options="--smt 1")  # fmt: skip
    assert said[1] == "12"
    assert said[2] == "12"


def test_reverse_continue_meets_breakpoints_and_the_beginning(gdb):
    said = gdb("break done", "continue", "delete", "break helper", "reverse-continue",
               "p/d $pc == (long)&helper", "p $r8", "delete", "reverse-continue",
               "stepi", "p $r3")  # fmt: skip
    assert said[1] == "1"
    assert said[2] == "0"
    assert "No more reverse-execution history" in said
    assert said[3] == "5"
    assert said.sent("bc")


def test_going_back_meets_conditions_as_going_forwards_does(gdb):
    said = gdb("break done", "continue", "delete", "break loop if $r8 == 190", "reverse-continue",
               "p $r8", "p $icount", "reverse-continue", "continue", "p $icount")  # fmt: skip
    assert said[1] == "190"
    assert said[2] == said[3]


def test_the_direction_may_be_set_for_plain_commands(gdb):
    said = gdb("break done", "continue", "set exec-direction reverse", "stepi", "p $r8", "delete",
               "continue", "set exec-direction forward", "stepi", "p $r3")  # fmt: skip
    assert said[1] == "200"
    assert "No more reverse-execution history" in said
    assert said[2] == "5"


def test_a_doorbell_is_undone_with_the_interrupt_that_it_made(gdb):
    said = gdb("break *0xa00", "continue", "p $_thread", "p $r17", "stepi", "p $r17",
               "reverse-stepi", "p $r17", "watch *(long *)0x3000", "reverse-continue",
               "p $dpdes", "thread 2", "p $r17", "p $vstate",
               options="--smt 2 --schedule rr:20")  # fmt: skip
    assert said[1] == "2"
    assert [said[n] for n in (2, 3, 4, 6)] == ["0", "1", "0", "0"]
    assert said[5] == "[ ]"


def test_a_change_by_hand_is_undone_too(gdb):
    said = gdb("stepi", "set $r20 = 77", "stepi", "p $r20", "reverse-stepi", "p $r20",
               "reverse-stepi", "p $r20")  # fmt: skip
    assert said[1] == "77"
    assert said[3] == "0"
