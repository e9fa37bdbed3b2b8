"""A real gdb comes and goes: pipes and sockets, Ctrl-C, a second gdb, detach, kill, run."""

import os
import signal
import subprocess

import pytest
from processes import PATIENCE_S, cpu_ticks, wait_until_busy, wait_until_idle

from debug.gdb.conftest import QUIET, ROOT, STUB, quote
from debug.terminal import Terminal

PROMPT = r"\(gdb\) "


@pytest.fixture
def prompt(oracle, elf):
    """A gdb on a terminal, connected to a server."""
    made = []

    def start(server, guest):
        environment = {**os.environ, "TERM": "dumb"}
        command = [oracle("gdb-multiarch"), *QUIET, "-ex", f"target remote :{server.port}"]
        made.append(Terminal([*command, elf(guest)], folder=ROOT, environment=environment))
        made[-1].until("_start .* at ")
        made[-1].until(PROMPT)
        return made[-1]

    yield start
    for terminal in made:
        terminal.close()


def said(terminal, line):
    """What a command at the prompt prints."""
    terminal.type(f"{line}\n")
    return terminal.until(rf"(?s)\n(.*?){PROMPT}")[1]


def interrupted(terminal, server, line):
    """What a command at the prompt prints when Ctrl-C ends it."""
    since = cpu_ticks(server.process.pid)
    terminal.type(f"{line}\n")
    wait_until_busy(server.process.pid, since)
    terminal.type("\x03")
    return terminal.until(rf"(?s)SIGINT(.*?){PROMPT}")[1]


def make_the_way_back_long(gdb):
    """Where looking at each passing takes minutes; nor does the way forward ever end."""
    said(gdb, "monitor goto 20000000")
    said(gdb, "monitor break spin if r3 == 0")
    said(gdb, "maintenance flush register-cache")


def test_ctrl_c_stops_the_guest_in_both_directions(server, prompt):
    listening = server("spin")
    gdb = prompt(listening, "spin")
    interrupted(gdb, listening, "continue")
    assert int(said(gdb, "p $r3").split("=")[1]) > 1000
    make_the_way_back_long(gdb)
    here = said(gdb, "p $r3")
    interrupted(gdb, listening, "reverse-continue")
    assert said(gdb, "p $r3").split("=")[1] == here.split("=")[1]
    said(gdb, "monitor delete")
    interrupted(gdb, listening, "continue")
    assert int(said(gdb, "p $r3").split("=")[1]) > int(here.split("=")[1])


def test_ctrl_c_stops_a_step_that_never_ends(server, prompt):
    listening = server("spin")
    gdb = prompt(listening, "spin")
    interrupted(gdb, listening, "until *0x2000")
    assert "spin" in said(gdb, "x/i $pc") or "_start" in said(gdb, "x/i $pc")


@pytest.mark.parametrize("line", [None, "continue", "reverse-continue"])
def test_ctrl_c_at_the_server_ends_it_whatever_it_does(server, prompt, line):
    listening = server("spin")
    gdb = prompt(listening, "spin")
    if line is not None:
        make_the_way_back_long(gdb)
        since = cpu_ticks(listening.process.pid)
        gdb.type(f"{line}\n")
        wait_until_busy(listening.process.pid, since)
    listening.process.send_signal(signal.SIGINT)
    assert listening.process.wait(PATIENCE_S) == 130
    assert listening.process.stderr.read() == "emu: interrupted\n"


def test_ctrl_c_ends_a_server_that_nobody_has_come_to(server):
    listening = server("spin")
    listening.process.send_signal(signal.SIGINT)
    assert listening.process.wait(PATIENCE_S) == 130


def test_a_second_gdb_is_told_why_it_is_refused(server, prompt, oracle, elf):
    listening = server("spin")
    first = prompt(listening, "spin")

    def second():
        command = [oracle("gdb-multiarch"), "-batch", *QUIET]
        done = subprocess.run(
            [*command, "-ex", f"target remote :{listening.port}", elf("spin")],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "another gdb is connected already" in second()
    first.type("continue\n")
    first.until("Continuing")
    assert "another gdb is connected already" in second()
    first.type("\x03")
    first.until("SIGINT")


def test_gdb_disconnects_detaches_and_comes_back_to_the_same_place(server, prompt):
    listening = server("spin")
    gdb = prompt(listening, "spin")
    assert said(gdb, "stepi 5")
    said(gdb, "break *0x10000")
    for leave in ("disconnect", "detach"):
        said(gdb, leave)
        assert "spin ()" in said(gdb, f"target remote :{listening.port}")
        assert "= 2" in said(gdb, "p $r3")
    said(gdb, "kill")
    assert listening.process.wait(PATIENCE_S) == 0


def test_a_server_that_waits_costs_nothing(server, prompt):
    listening = server("spin")
    gdb = prompt(listening, "spin")
    said(gdb, "stepi")
    wait_until_idle(listening.process.pid)


def test_it_says_where_it_listens_which_is_the_loopback_interface(server):
    assert server("spin").greeting.startswith("emu: waiting for gdb at 127.0.0.1:")


def test_a_killed_guest_is_run_again_in_the_extended_mode(gdb):
    said = gdb("break helper", "continue", "run", "p $icount", "kill", "info threads", "run",
               "backtrace", "detach", "run", "p $r3", target="extended-remote")  # fmt: skip
    assert said[1] == "8"
    assert "No threads." in said
    assert "#2 " in said
    assert said[2] == "5"
    assert said.text.count("hit Breakpoint 1, helper ()") == 4


@pytest.mark.parametrize(("leave", "packet", "words"), [
    ("detach", "D", "detached"), ("kill", "vKill;a410", "killed"), ("disconnect", None, "helper"),
    ("echo end\\n", "D", "end"),
])  # fmt: skip
def test_leaving_ends_a_stub_on_pipes(gdb, leave, packet, words):
    said = gdb("break helper", "continue", leave)
    assert words in said
    assert packet is None or said.sent(packet)


def test_symbols_of_a_position_independent_program_move_with_it(gdb, oracle, tmp_path):
    source, made, program = tmp_path / "pie.s", tmp_path / "pie.o", tmp_path / "pie.elf"
    source.write_text(".globl _start\n_start: bl f\nb .\nf: li 3,1\nblr\n.data\n.quad 1\n")
    tools = [oracle(f"powerpc64-linux-gnu-{tool}") for tool in ("as", "ld")]
    subprocess.run([tools[0], "-g", "-mregnames", source, "-o", made], check=True)
    subprocess.run([tools[1], "-pie", "--no-dynamic-linker", made, "-o", program], check=True)
    said = gdb("break f", "continue", "info symbol $pc", "p/x (long)&f - (long)&_start",
               guest=program, options="--smt 1")  # fmt: skip
    assert "Breakpoint 1, f () at" in said
    assert "f in section .text" in said
    assert said[1] == "0x8"


def test_symbols_come_from_the_stub_if_gdb_has_none(oracle, elf):
    stub = f"target remote | {STUB} --stdio {quote(elf('doorbell'))}"
    done = subprocess.run(
        [oracle("gdb-multiarch"), "-batch", *QUIET, "-ex", stub, "-ex", "info address helper",
         "-ex", "info line helper"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=ROOT,
    )  # fmt: skip
    assert 'Symbol "helper" is' in done.stdout
    assert "doorbell.s" in done.stdout
