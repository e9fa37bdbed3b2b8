"""A real gdb and vcpus: named by core and thread, with their state, locked or scheduled."""

import pytest


def test_threads_are_named_by_vcpu_and_state(gdb):
    said = gdb("info threads", "thread 2", "p $tir", "p $_thread", "thread find t1")
    assert 'Thread 1 "vcore0.t0" (running TIR=0)' in said
    assert 'Thread 2 "vcore0.t1" (host TIR=1)' in said
    assert said[1] == "1"
    assert said[2] == "2"
    assert "Thread 2 has target name 'vcore0.t1'" in said
    assert said.sent(r"qXfer:threads:read::0,[0-9a-f]+")


def test_states_change_as_the_guest_runs(gdb):
    said = gdb("break done", "continue", "info threads", "thread 2", "p $vstate", "p $ceded",
               "backtrace 1", options="--smt 2 --schedule rr:20")  # fmt: skip
    assert 'Thread 2 "vcore0.t1" (ceded TIR=1)' in said
    assert said[1] == "CEDED"
    assert said[2] == "1"


def test_commands_are_applied_to_all_threads(gdb):
    said = gdb("thread apply all p $tir", "thread apply 2 stepi", "thread apply 1-2 p $icount",
               "thread name boss", "info threads")  # fmt: skip
    assert {said[1], said[2]} == {"0", "1"}
    assert "boss" in said


def test_others_run_while_one_steps_unless_they_are_locked(gdb):
    said = gdb("thread 2", "stepi", "thread 1", "p $icount > 0", "set scheduler-locking on",
               "thread 2", "p $icount", "stepi", "stepi", "p $icount", "thread 1", "p $icount",
               "thread 2", "break sleep", "continue", "p $_thread",
               options="--smt 2 --schedule rr:20")  # fmt: skip
    assert said.sent(r"vCont;s:2;c")
    assert said.sent(r"vCont;s:2")
    assert said.sent(r"vCont;c:2")
    assert int(said[3]) == int(said[2]) + 2
    assert said[5] == "2"


def test_a_locked_step_back_moves_only_that_thread_back(gdb):
    said = gdb("set scheduler-locking on", "thread 2", "stepi", "stepi", "reverse-stepi",
               "p $icount", "thread 1", "p $icount")  # fmt: skip
    assert said.sent("Hc2")
    assert said[1] == "1"
    assert said[2] == "0"


def test_a_locked_thread_that_sleeps_stops_with_the_reason(gdb):
    said = gdb("break done", "continue", "delete", "set scheduler-locking on", "thread 2", "stepi",
               "p $_thread", options="--smt 2 --schedule rr:20")  # fmt: skip
    assert "v1 waits and cannot go on" in said
    assert said[1] == "2"


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_every_host_is_debugged_alike(gdb, host):
    said = gdb("break helper", "continue", "reverse-stepi", "info threads", "p/x $srr0",
               options=f"--smt 1 --host {host}")  # fmt: skip
    assert "Breakpoint 1, helper ()" in said
    assert 'Thread 1 "vcore0.t0" (running TIR=0)' in said
    assert said[1] == "0x0"
