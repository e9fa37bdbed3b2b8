"""A real gdb drives the stub: every command that the protocol notes name."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUEST = """
        .text
        .globl _start, helper, done
        .type helper, @function
_start: li 3,5
        li 5,0x3000
        stdu 1,-112(1)
        bl helper
after:  std 3,0(5)
        nop
        ld 6,0(5)
        mr 14,4
        mfspr 15,446
        cmpdi 15,0
        bne sleep
        lis 7,0x2800
        ori 7,7,1
        msgsndp 7
loop:   addi 8,8,1
        cmpdi 8,200
        bne loop
done:   lis 3,0
        ori 3,3,0xf100
        li 4,42
        sc 1
sleep:  li 3,0xe0
        sc 1
        b sleep
        .cfi_startproc
helper: addi 3,3,37
        blr
        .cfi_endproc
        .org 0xf200
        .section .vectors, "ax"
        .org 0xa00
        addi 17,17,1
        rfid
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gdb")
    guests = {}
    for endian in ("big", "little"):
        source = folder / f"{endian}.s"
        source.write_text(
            GUEST if endian == "big" else GUEST.split("        .org 0xf200", maxsplit=1)[0]
        )
        guests[endian] = folder / f"{endian}.elf"
        subprocess.run(
            [sys.executable, "-m", "emu", "asm", "-g", "--endian", endian, source,
             "-o", guests[endian]],
            check=True, cwd=ROOT, timeout=60,
        )  # fmt: skip
    return guests


CALLS = """
        .globl _start, helper
        .type helper, @function
        .cfi_startproc
        .cfi_undefined lr
_start: li 3,5
        bl helper
        mr 9,3
        b .
        .cfi_endproc
        .cfi_startproc
helper: addi 3,3,37
        blr
        .cfi_endproc
"""


@pytest.fixture
def gnu_elf(oracle, tmp_path):
    source, made = tmp_path / "calls.s", tmp_path / "calls.elf"
    source.write_text(CALLS)
    assembler, linker = oracle("powerpc64-linux-gnu-as"), oracle("powerpc64-linux-gnu-ld")
    subprocess.run([assembler, "-g", "-mregnames", source, "-o", tmp_path / "calls.o"], check=True)
    subprocess.run([linker, "-Ttext=0x10000", tmp_path / "calls.o", "-o", made], check=True)
    return made


@pytest.fixture
def gdb(oracle, elf, tmp_path):
    command = oracle("gdb-multiarch")

    def run(*lines, endian="big", options="--smt 2"):
        log = tmp_path / "packets.log"
        stub = f"{sys.executable} -m emu gdb --stdio --log {log} {options} {elf[endian]}"
        arguments = [command, "-nx", "-batch", "-ex", "set height 0", "-ex", "set width 0"]
        for line in (f"target remote | {stub}", *lines):
            arguments += ["-ex", line]
        done = subprocess.run(
            [*arguments, elf[endian]],
            capture_output=True,
            text=True,
            timeout=90,
            cwd=ROOT,
            check=False,
        )
        return done.stdout + done.stderr + "\n" + log.read_text()[-2000:]

    return run


def test_it_connects_and_shows_threads_by_vcpu_and_state(gdb):
    text = gdb("info threads", "thread 2", "p $tir", "p $_thread")
    assert 'Thread 1 "vcore0.t0" (running TIR=0)' in text
    assert 'Thread 2 "vcore0.t1" (host TIR=1)' in text
    assert "$1 = 1" in text
    assert "$2 = 2" in text


def test_breakpoints_stop_with_source_lines_and_conditions(gdb):
    text = gdb("break helper", "continue", "info line", "tbreak loop if $r8 == 7", "continue",
               "p $r8", "hbreak done", "continue", "p/x $pc == (long)&done")  # fmt: skip
    assert "Breakpoint 1, helper () at" in text
    assert "$1 = 7" in text
    assert "$2 = 0x1" in text


def test_stepping_forwards_and_backwards(gdb):
    text = gdb("stepi", "p/x $pc - (long)&_start", "stepi", "reverse-stepi",
               "p/x $pc - (long)&_start", "reverse-stepi", "reverse-stepi")  # fmt: skip
    assert "$1 = 0x4" in text
    assert "$2 = 0x4" in text
    assert "No more reverse-execution history" in text


def test_finish_returns_to_the_caller_and_reverse_step_goes_back_in(gdb, elf, gnu_elf):
    elf["gnu"] = gnu_elf
    text = gdb("break helper", "continue", "finish", "p/x $pc - (long)&_start", "reverse-step",
               "p/x $pc - (long)&helper", endian="gnu", options="--smt 1")  # fmt: skip
    assert "$1 = 0x8" in text
    assert "$2 = 0x4" in text


def test_next_and_reverse_next_go_by_source_line(gdb):
    text = gdb("next", "next", "p/x $pc - (long)&_start", "reverse-next",
               "p/x $pc - (long)&_start")  # fmt: skip
    assert "$1 = 0x8" in text
    assert "$2 = 0x4" in text


def test_a_watchpoint_reports_both_values_in_both_directions(gdb):
    text = gdb("watch *(long *)0x3000", "continue", "p/x $pc - (long)&after", "reverse-continue",
               "p/x $pc - (long)&after")  # fmt: skip
    assert "Old value = 0" in text
    assert "New value = 42" in text
    assert "$1 = 0x4" in text
    assert "Old value = 42" in text
    assert "$2 = 0x0" in text


def test_reads_and_any_accesses_are_watched(gdb):
    text = gdb("rwatch *(long *)0x3000", "continue", "p/x $pc - (long)&after", "delete",
               "reverse-stepi", "reverse-stepi", "reverse-stepi", "awatch *(long *)0x3000",
               "continue")  # fmt: skip
    assert "Hardware read watchpoint 1" in text
    assert "$1 = 0xc" in text
    assert "Hardware access (read/write) watchpoint 2" in text


def test_registers_are_shown_and_set(gdb):
    text = gdb("set $r9 = 0x1234", "p/x $r9", "set $srr0 = 0x5678", "p/x $srr0", "p $msr", "info registers msr",  # noqa: E501
               "info registers doorbell", "set $dpdes = 2L", "p $dpdes", "info registers pc lr",
               "p $vstate", "info registers hyp")  # fmt: skip
    assert "$1 = 0x1234" in text
    assert "$2 = 0x5678" in text
    assert "[ ME SF ]" in text
    assert "$4 = [ T1 ]" in text
    assert "RUNNING" in text
    assert "doorbell_request" in text


def test_the_threads_are_locked_or_scheduled_as_gdb_says(gdb):
    text = gdb("set scheduler-locking on", "thread 2", "stepi", "stepi", "p $icount",
               "thread 1", "p $icount")  # fmt: skip
    assert "$1 = 1" in text
    assert "$2 = 0" in text


def test_memory_is_examined_written_loaded_found_and_dumped(gdb, tmp_path):
    text = gdb("x/2i _start", "set *(int *)0x4000 = 77", "p *(int *)0x4000",
               "find 0x4000, +64, (int)77", f"dump binary memory {tmp_path}/dump 0x4000 0x4010",
               f"restore {tmp_path}/dump binary 0x1000", "p *(int *)0x1000", "load",
               "compare-sections .text")  # fmt: skip
    assert "li      r3,5" in text
    assert "$1 = 77" in text
    assert "1 pattern found" in text
    assert "$2 = 77" in text
    assert "Transfer rate" in text
    assert "matched" in text


def test_monitor_runs_the_commands_of_the_prompt(gdb):
    text = gdb("monitor info threads", "monitor when", "monitor help stepi", "monitor nonsense")
    assert "* v0 vcore0.t0 running" in text
    assert "position @" in text
    assert "stepi, si [N]" in text
    assert "error: no command is called 'nonsense'" in text


def test_the_end_of_a_run_keeps_history_then_exits(gdb):
    text = gdb("continue", "reverse-stepi", "continue", "continue", "p $_exitcode")
    assert "the guest exited with status 42" in text
    assert "No more reverse-execution history" in text
    assert "exited with code 052" in text
    assert "$1 = 42" in text


def test_reverse_continue_meets_breakpoints_and_the_beginning(gdb):
    text = gdb("break done", "continue", "delete", "break helper", "reverse-continue",
               "p/x $pc == (long)&helper", "p $r8", "delete", "reverse-continue")  # fmt: skip
    assert "$1 = 0x1" in text
    assert "$2 = 0" in text
    assert "No more reverse-execution history" in text


def test_detach_kill_and_disconnect_end_it(gdb):
    assert "detached" in gdb("detach")
    assert "killed" in gdb("kill")
    assert "no packet" not in gdb("disconnect")


def test_a_little_endian_guest(gdb):
    text = gdb("break after", "continue", "p $r3", "x/i $pc", "stepi", "p *(long *)0x3000",
               "reverse-stepi", "p *(long *)0x3000", endian="little", options="--smt 1")  # fmt: skip  # noqa: E501
    assert "$1 = 42" in text
    assert "std     r3,0(r5)" in text
    assert "$2 = 42" in text
    assert "$3 = 0" in text


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_other_hosts(gdb, host):
    text = gdb("break helper", "continue", "reverse-stepi", "info threads",
               options=f"--smt 1 --host {host}")  # fmt: skip
    assert "Breakpoint 1, helper ()" in text
    assert 'Thread 1 "vcore0.t0" (running TIR=0)' in text


def test_gdbs_machine_interface_steps_back_and_interrupts(oracle, elf):
    command = oracle("gdb-multiarch")
    pygdbmi = pytest.importorskip("pygdbmi.gdbcontroller", reason="needs pygdbmi (extra: dev)")
    controller = pygdbmi.GdbController([command, "--nx", "--quiet", "--interpreter=mi3"])
    stub = f"{sys.executable} -m emu gdb --stdio --smt 2 {elf['big']}"
    heard = []

    def say(line, until):
        heard.clear()
        answers = controller.write(line, timeout_sec=30, raise_error_on_timeout=False)
        for _ in range(60):
            heard.extend(answers)
            if any(row["message"] == until for row in heard):
                return next(row["payload"] for row in heard if row["message"] == until)
            answers = controller.get_gdb_response(timeout_sec=1, raise_error_on_timeout=False)
        raise AssertionError(heard)

    try:
        say(f"-file-exec-and-symbols {elf['big']}", "done")
        say(f"-target-select remote | {stub}", "connected")
        assert len(say("-thread-info", "done")["threads"]) == 2
        say("-break-insert helper", "done")
        assert say("-exec-continue", "stopped")["reason"] == "breakpoint-hit"
        stopped = say("-exec-step-instruction --reverse", "stopped")
        assert stopped["frame"]["func"] == "_start"
        read = say("-data-read-memory-bytes 0x10000 4", "done")
        assert read["memory"][0]["contents"] == "38600005"
        say("-target-detach", "done")
    finally:
        controller.exit()
