"""A real gdb stops and steps: breakpoints, watchpoints, steps by instruction, line and call."""

import pytest

from debug.gdb.conftest import assembled

SHOW_R8 = 'commands 1\nsilent\nprintf "at %d\\n", $r8\nend'
ROUNDS = "--smt 2 --schedule rr:20"  # both threads get far


def test_breakpoints_stop_with_source_lines_and_conditions(gdb):
    said = gdb("break helper", "continue", "info line", "tbreak loop if $r8 == 7", "continue",
               "p $r8", "hbreak done", "continue", "p/d $pc == (long)&done", "info breakpoints",
               "break *0x10000", "break doorbell.s:28")  # fmt: skip
    assert "Breakpoint 1, helper () at" in said
    assert "Temporary breakpoint 2" in said
    assert said[1] == "7"
    assert said[2] == "1"
    assert said.sent(r"Z0,[0-9a-f]+,4")
    assert said.sent(r"Z1,[0-9a-f]+,4")
    assert "hwbreak:;" in said.packets
    assert "breakpoint already hit 1 time" in said
    assert "Breakpoint 4 at 0x10000" in said
    assert "line 28" in said


def test_breakpoints_pass_counts_run_commands_and_belong_to_threads(gdb):
    said = gdb("break loop", "ignore 1 4", SHOW_R8, "continue", "delete",
               "break sleep thread 2", "continue", "p $_thread",
               "disable 2", "break done", "continue", "p $_thread", options=ROUNDS)  # fmt: skip
    assert "at 4\n" in said
    assert said[1] == "2"
    assert said[2] == "1"


def test_breakpoints_may_stay_inserted(gdb):
    said = gdb("set breakpoint always-inserted on", "break loop", "break done", "continue",
               "continue", "p $r8", "delete 1", "continue", "p $r8")  # fmt: skip
    assert said[1] == "1"
    assert said[2] == "200"


def test_until_advance_and_jump(gdb):
    said = gdb("until loop", "p $r8", "advance done", "p $r8", "tbreak done", "set $r8 = 100",
               "jump loop", "p $r8", options="--smt 1")  # fmt: skip
    assert said[1] == "0"
    assert said[2] == "200"
    assert "Temporary breakpoint 1" in said
    assert said[3] == "200"


def test_stepping_by_instruction_shows_what_is_displayed(gdb):
    said = gdb("display/i $pc", "stepi", "stepi 2", "nexti", "p/d $pc == (long)&after")
    assert "li      r5,12288" in said
    assert said[1] == "1"
    assert said.sent(r"vCont;s:1;c")


@pytest.mark.parametrize("endian", ["big", "little"])
def test_next_goes_over_calls_and_step_into_them(gdb, endian):
    said = gdb("next", "next", "next", "next", "p/d $pc == (long)&after", "p $r3",
               "tbreak *_start+12", "jump *_start", "step", "info symbol $pc", "backtrace",
               endian=endian, options="--smt 1")  # fmt: skip
    assert said[1] == "1"
    assert said[2] == "42"
    assert "outer in section .text" in said
    assert "#1  0x0000000000010010 in _start ()" in said


def test_backtrace_up_and_finish_unwind_by_call_frames(gdb):
    said = gdb("break helper", "continue", "backtrace", "p $lr", "up", "p $r1", "info frame",
               "down", "finish", "p/d $pc - (long)&outer", "finish", "p/d $pc == (long)&after",
               "finish", options="--smt 1")  # fmt: skip
    assert "#0  helper ()" in said
    assert "#1  0x" in said
    assert "in outer ()" in said
    assert "#2  0x0000000000010010 in _start ()" in said
    assert "#3" not in said
    assert said[3] == "16"
    assert said[4] == "1"
    assert '"finish" not meaningful in the outermost frame' in said


def test_a_line_of_several_instructions_is_stepped_by_one_packet(gdb, tmp_path):
    source, program = tmp_path / "macro.s", tmp_path / "macro.elf"
    source.write_text(".macro many\nli 3,1\nli 4,2\nli 5,3\n.endm\n_start: many\n li 6,4\n b .\n")
    said = gdb("next", "p $r5", "p $r6", guest=assembled(source, program), options="--smt 1")
    assert said[1] == "3"
    assert said[2] == "0"
    assert said.sent(r"vCont;r10000,1000c:1;c")


def test_steps_pass_over_interrupts_if_they_are_told_to(gdb):
    lines = ("tbreak loop", "continue", "next 40", "p $r17", "info symbol $pc")
    said = gdb("monitor step-irq off", *lines, "p $r8", "monitor step-irq maybe",
               guest="interrupted", options=ROUNDS)  # fmt: skip
    assert "step-irq is off" in said
    assert int(said[1]) > 0
    assert "addi    17, 17, 1" not in said
    assert "loop + 4 in section .text" in said
    assert said[2] == "14"  # 40 lines of three
    assert "error: step-irq takes on or off, got 'maybe'" in said
    said = gdb(*lines[:2], "python\nimport gdb\nfor _ in range(60): gdb.execute('stepi')\nend",
               "monitor step-irq", guest="interrupted", options=ROUNDS)  # fmt: skip
    assert "addi    17, 17, 1" in said
    assert "step-irq is on" in said


def test_a_function_is_called_by_hand_and_leaves_no_trace(gdb):
    said = gdb("break after", "continue", "p $r3", "set $r3 = 5", "p ((long (*)(long))helper)(100)",
               "p/d $pc == (long)&after", "p $r3", options="--smt 1")  # fmt: skip
    assert said[2] == "137"
    assert said[3] == "1"
    assert said[4] == "5"


def test_a_watchpoint_reports_both_values_in_both_directions(gdb):
    said = gdb("watch *(long *)0x3000", "continue", "p/d $pc - (long)&after", "reverse-continue",
               "p/d $pc - (long)&after")  # fmt: skip
    assert "Old value = 0\nNew value = 42" in said
    assert said[1] == "4"
    assert "Old value = 42\nNew value = 0" in said
    assert said[2] == "0"
    assert said.sent(r"Z2,3000,8")
    assert "watch:3000;" in said.packets


def test_reads_and_any_accesses_are_watched(gdb):
    said = gdb("rwatch *(long *)0x3000", "continue", "p/d $pc - (long)&after", "delete",
               "reverse-stepi", "reverse-stepi", "reverse-stepi", "awatch *(long *)0x3000",
               "continue", "watch *(int *)0x3004 if $r8 > 5")  # fmt: skip
    assert "Hardware read watchpoint 1" in said
    assert said[1] == "12"
    assert "Hardware access (read/write) watchpoint 2" in said
    assert said.sent(r"Z3,3000,8")
    assert said.sent(r"Z4,3000,8")


def test_a_register_is_watched_by_stepping(gdb):
    said = gdb("set can-use-hw-watchpoints 0", "watch $r8", "continue", "continue", "p $r8",
               options="--smt 1")  # fmt: skip
    assert "Old value = 0\nNew value = 1" in said
    assert said[1] == "2"


def test_the_end_of_a_run_keeps_history_then_exits(gdb):
    said = gdb("continue", "reverse-stepi", "continue", "continue", "p $_exitcode")
    assert "the guest exited with status 42" in said
    assert "No more reverse-execution history" in said
    assert "exited with code 052" in said
    assert said[1] == "42"


def test_a_trap_that_nobody_handles_is_a_signal_and_can_be_undone(gdb, tmp_path):
    source, program = tmp_path / "trap.s", tmp_path / "trap.elf"
    source.write_text("_start: li 3,7\n.long 0\n")
    said = gdb("continue", "reverse-stepi", "p $pc", "reverse-stepi", "p $r3",
               guest=assembled(source, program), options="--smt 1")  # fmt: skip
    assert "SIGILL, Illegal instruction" in said
    assert "a guest trap that nobody handles" in said
    assert "<_start+4>" in said[1]
    assert said[2] == "0"


def test_a_guest_that_can_never_wake_says_so_and_can_be_undone(gdb, tmp_path):
    source, program = tmp_path / "sleep.s", tmp_path / "sleep.elf"
    source.write_text("_start: li 3,0xe0\nsc 1\nb .\n")
    said = gdb("continue", "info threads", "reverse-stepi", "p $pc",
               guest=assembled(source, program), options="--smt 1")  # fmt: skip
    assert "deadlock" in said
    assert "Program stopped." in said
    assert "<_start+4>" in said[1]
