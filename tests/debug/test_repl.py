"""The prompt: commands from a script, on a terminal, and as a table."""

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE_S, cpu_ticks, wait_until_asleep, wait_until_busy

from debug.terminal import Terminal
from debug.test_session import session
from emu.debug.commands import COMMANDS, CommandError, Interpreter, completions, find
from emu.debug.repl import Repl
from emu.errors import EmuError

ROOT = Path(__file__).parents[2]
DEBUG = [sys.executable, "-m", "emu", "debug"]


@pytest.fixture
def prompt():
    debugged = session(smt=2)
    debugged.begin()
    lines = []
    made = Interpreter(debugged, lines.append)

    def run(*commands):
        lines.clear()
        for command in commands:
            made.execute(command)
        return "\n".join(lines)

    run.interpreter = made
    run.session = debugged
    return run


def test_names_and_abbreviations_of_commands_do_not_meet():
    words = [word for row in COMMANDS for word in (row.name, *row.short)]
    assert len(words) == len(set(words))
    for row in COMMANDS:
        assert find(row.name) is row
        assert row.summary


def test_a_unique_beginning_is_enough_and_others_are_told():
    assert find("fini").name == "finish"
    assert find("reverse-c").name == "reverse-continue"
    with pytest.raises(CommandError, match="'re' may be reverse-stepi"):
        find("re")
    with pytest.raises(CommandError, match="did you mean 'print'"):
        find("prnt")


def test_an_empty_line_repeats_a_step_but_not_a_set(prompt):
    prompt("si")
    before = prompt.session.position
    prompt("", "")
    assert prompt.session.position > before + 1
    prompt("set r9 = 7")
    here = prompt.session.position
    prompt("")
    assert prompt.session.position == here


def test_srr1_is_decoded_as_the_msr_that_it_holds(prompt):
    prompt("set srr1 = 0x8000000000009002")
    assert prompt("p/f srr1") == "$1 = 0x8000000000009002 [SF EE ME RI]"


def test_break_continue_and_back(prompt):
    assert prompt("b got if r22 == 2") == "breakpoint 1 at 0x1006c <got>"
    assert "breakpoint 1, 0x1006c <got>" in prompt("c")
    assert "=> 0x1006c <got>" in prompt("context")
    assert "the beginning of history" in prompt("rc")
    assert prompt("info b").startswith("1 breakpoint 0x1006c <got>, if r22 == 2; hit 1 times")


def test_a_watched_hypervisor_field_names_the_host_step_that_changed_it(prompt):
    text = prompt("watch v1.doorbell_request", "c")
    assert "watchpoint 1: v1.doorbell_request 0x0 -> 0x1" in text
    assert "doorbell.py:" in text
    assert "v1 (TIR 1): in v1.doorbell_request since @" in prompt("info doorbells")
    assert "Write(v1.doorbell_request, 1)" in prompt("last v1.doorbell_request")
    assert "kvmppc_fast_vcpu_kick_hv" in prompt("hs")
    assert prompt("pa dpdes") == "v0 0x2\nv1 0x2"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("p 1 + 2 * 3", "$1 = 0x7"),
        ("p/d -1", "$1 = -1"),
        ("p/t 5", "$1 = 101"),
        ("p/f msr", "$1 = 0x8000000000001000 [SF ME]"),
        ("p/a _start + 4", "$1 = 0x10004 <_start+0x4>"),
        ("p msr.me", "$1 = 0x1"),
        ("p (1 << 4) | (3 > 2 && 2 > 3)", "$1 = 0x10"),
        ("p u32(_start)", "$1 = 0x7c6e1b78"),
        ("p v1.r3", "$1 = 0x1"),
        ("explain rb 0x28000001", "0x28000001: type 5 (privileged doorbell), TIR 1"),
        ("explain rb 1", "0x1: type 0 (no doorbell: a no-op), TIR 1"),
        ("x/2i _start", " =>"),
        ("ipca", "v0 0x10000 <_start> mr r14,r3"),
        ("info line", "<input>"),
        ("python print(session.position)", "2"),
        ("schedule", "the turn of v0; able to go on: v0, v1"),
        ("help stepi", "stepi, si [N]"),
        ("help msgsndp", "msgsndp"),
        ("info exits", "kvm_guest_enter"),
        ("info history", "snapshots"),
        ("info hv", "v0: state="),
        ("info registers", "nia 0000000000010000"),
        ("stack", "kvmhv_vcpu_entry_p9"),
        ("thread apply all p r3", "$2 = 0x1"),
        ("echo hello", "hello"),
        ("info", "info knows threads, registers"),
        ("info registers r3 dpdes v1.r3", "r3       0x0\ndpdes    0x0\nv1.r3    0x1"),
        ("info sprs", "dec ffffffffffffffff"),
        ("info bookmarks", "stops: @"),
        ("info watchpoints", "none"),
        ("last WRITE 0x3000", "has not changed since the beginning"),
        ("last 0x3000", "u64(0x3000) has not changed since the beginning"),
        ("catch exit hfac", "catchpoint 1: exit hfac"),
        ("catch event doorbell", "catchpoint 1: event doorbell"),
        ("help TIR", "special purpose register"),
        ("help H_CEDE", "hcall: sc 1"),
    ],
)
def test_what_is_shown(prompt, command, expected):
    text = prompt(command)
    assert expected in text or expected in ("<input>", " =>")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("p nonsense", "no register, field or symbol is called 'nonsense'"),
        ("p 1 +", "something is missing at the end of '1 \\+'"),
        ("p (1", "`\\)` is missing"),
        ("p 1/0", "a divisor must not be 0"),
        ("p *0xfffffffff", "must lie within"),
        ("b 0x10001", "a breakpoint must be at a multiple of 4"),
        ("watch 5", "a constant does not change"),
        ("catch nothing", "catch takes a mnemonic"),
        ("goto 123456789", "the guest exited|a position"),
        ("thread v9", "a vcpu must be v0 to v1, got 'v9'"),
        ("run v7", "a vcpu must be"),
        ("delete 4", "there is no breakpoint 4"),
        ("set tir = 4", "tir cannot be set"),
        ("set r3", "set takes NAME = VALUE"),
        ("p 0x10000000000000000", "a number must be 0 to 2\\^64-1"),
        ("x/9999x 0", "a count must be 1 to 1024"),
        ("p/z 5", "print takes one format of x d u t c a f, got 'z'"),
        ("p/3x 5", "print takes one format of .*, got '3x'"),
        ("p/xd 5", "print takes one format"),
        ("x/2z 0", "x takes one format of x d u t c a s i and one size of b h w g, got 'z'"),
        ("x/xd 0", "x takes one format"),
        ("x/bg 0", "x takes one format"),
        ("goto -1", "a position must be 0 or more, got -1"),
        ("goto @-3", "a position must be 0 or more, got -3"),
        ("source /no/such/file", "cannot read"),
        ("load /no/such/file", "cannot read"),
        ("python 1/0", "python: ZeroDivisionError"),
        ("help nonsense", "no command or instruction"),
        ("info nonsense", "info knows"),
        ("lock maybe", "lock is on or off"),
        ("catch dpdes", "`watch dpdes` stops when a value changes"),
        ("info hv 1", "info hv takes nothing more"),
        ("b _start if frob", "no register, field or symbol is called 'frob'"),
        ("finish", "no caller is known: LR is 0"),
        ("reverse-finish", "no caller is known: LR is 0"),
        ("run", "run takes a vcpu"),
        ("exc v1 0x500", "v1 is not in its guest now"),
    ],
)
def test_what_cannot_be_done_says_why(prompt, command, message):
    if command == "goto 123456789":
        assert re.search(message, prompt(command))
        return
    with pytest.raises(EmuError, match=message):
        prompt(command)


def test_hostile_expressions_are_answered(prompt):
    for text in ("(" * 5000, "-" * 5000, "1+" * 5000, "*" * 60 + "0", "v99999999.r3", "$" * 50,
                 "r3.r3.r3.r3", "'", "@:", "\0", "u8(", "1 2", "0x", "9" * 5000, "é"):  # fmt: skip
        with pytest.raises(EmuError):
            prompt(f"p {text}")


def test_a_race_is_driven_by_hand_saved_and_done_again(prompt, tmp_path):
    prompt("run v0 30", "run v1 25", "bookmark here", "set v1.r9 = 5", "doorbell v1")
    digest = prompt.session.timeline.digest()
    path = tmp_path / "race.json"
    prompt(f"save {path}", "goto here - 3", "si")
    assert prompt.session.timeline.digest() != digest
    prompt(f"load {path}")
    assert prompt.session.timeline.digest() == digest
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(EmuError, match="has format 1, got 9"):
        prompt(f"load {path}")
    path.write_text("{}")
    with pytest.raises(EmuError, match="no saved session"):
        prompt(f"load {path}")


def test_an_injected_interrupt_and_doorbell_are_taken(prompt):
    prompt("exc v0 0x500")
    assert prompt.session.evaluate("v0.nia") == 0x500
    prompt("rsi")
    assert prompt("catch interrupt doorbell", "doorbell v0", "set msr.ee = 1", "c")
    assert prompt.session.evaluate("nia") == 0xA00


def test_commands_run_at_a_breakpoint(prompt):
    lines = iter(["echo here it is", "p r14", "end", "not reached"])
    prompt.interpreter.more = lambda: next(lines, None)
    prompt("b got", "commands")
    assert "here it is\n$1 = 0x" in prompt("c")


def test_a_watch_of_one_thread_passes_over_what_others_do(prompt):
    assert "watchpoint 1: v1.doorbell_request" in prompt("watch v1.doorbell_request thread v1", "c")
    assert "Write(v1.doorbell_request, 0)" in prompt("last v1.doorbell_request")
    assert "v0 in" in prompt("delete", "watch v1.doorbell_request thread v0", "rc",
                             "last v1.doorbell_request")  # fmt: skip


def test_words_are_completed(prompt):
    assert completions(prompt.interpreter, "reverse-s", "reverse-s") == [
        "reverse-step", "reverse-stepi"]  # fmt: skip
    assert completions(prompt.interpreter, "p v1.doorb", "v1.doorb") == ["v1.doorbell_request"]
    assert "_start" in completions(prompt.interpreter, "b _st", "_st")
    assert completions(prompt.interpreter, "info hi", "hi") == ["history"]
    assert completions(prompt.interpreter, "context ev", "ev") == ["events"]
    assert completions(prompt.interpreter, "catch msgsn", "msgsn") == ["msgsnd", "msgsndp"]
    assert "msgclrp" in completions(prompt.interpreter, "help msgc", "msgc")
    assert "TIR" in completions(prompt.interpreter, "h T", "T")
    assert completions(prompt.interpreter, "p 1+v1.doorb", "1+v1.doorb") == [
        "1+v1.doorbell_request"]  # fmt: skip


def test_what_python_has_defined_is_there_for_the_next(prompt):
    assert prompt("python import math; side = 3", "python print(math.factorial(side))") == "6"


def test_a_condition_may_be_about_what_is_not_there_yet(prompt):
    assert prompt("b _start if *r5 == 1", "set r5 = -8", "condition 1 *r5") == (
        "breakpoint 1 at 0x10000 <_start>")  # fmt: skip


def test_files_are_completed_wherever_they_are(prompt, tmp_path):
    (tmp_path / "one-script").write_text("when\n")
    (tmp_path / "one-more").mkdir()
    word = f"{tmp_path}/one-"
    assert completions(prompt.interpreter, f"source {word}", word) == [
        f"{tmp_path}/one-more/", f"{tmp_path}/one-script"]  # fmt: skip


def test_a_prompt_without_a_terminal_is_plain():
    debugged = session(smt=2)
    debugged.begin()
    out = io.StringIO()
    repl = Repl(debugged, io.StringIO("when\nnonsense\nquit\n"), out)
    repl.loop()
    assert "position @" in out.getvalue()
    assert "error: no command is called 'nonsense'" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def emu_debug(*arguments, **options):
    return subprocess.run(
        [*DEBUG, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=ROOT,
        check=False, **options
    )  # fmt: skip


def test_batch_stops_at_the_first_command_that_fails(tmp_path):
    script = tmp_path / "script"
    script.write_text("b _start\n# a comment\npython\nx = session.position\nprint('at', x)\nend\n")
    done = emu_debug("guests/token_ring.s", "--smt", 2, "--batch", "-x", script, "--ex", "frob",
                     "--ex", "echo not reached")  # fmt: skip
    assert done.returncode == 1
    assert "at 2" in done.stdout
    assert "error: no command is called 'frob'" in done.stdout
    assert "not reached" not in done.stdout
    done = emu_debug("guests/token_ring.s", "--smt", 2, "--batch", "--ex", "c")
    assert done.returncode == 0
    assert "| round 1: 0 1" in done.stdout
    assert "the guest exited with status 0" in done.stdout


def test_the_instruction_limit_ends_a_debugged_run():
    done = emu_debug("-e", "b .", "--max-insns", 1000, "--batch", "--ex", "c", "--ex", "p v0.ic")
    assert "the instruction limit was reached" in done.stdout
    assert "$1 = 0x3e8" in done.stdout


@pytest.fixture
def terminal(tmp_path):
    made = []

    def start(*arguments):
        environment = {**os.environ, "TERM": "xterm", "EMU_HISTORY": str(tmp_path / "history")}
        environment.pop("NO_COLOR", None)
        made.append(Terminal([*DEBUG, *arguments], folder=ROOT, environment=environment))
        made[0].until(PROMPT)
        return made[0]

    yield start
    for opened in made:
        opened.close()


PROMPT = r"\(emu v\d @\d+\) "
COUNTING = ("-e", "li 3,1; 1: addi 3,3,1; b 1b")


def test_the_prompt_on_a_terminal_completes_colours_repeats_and_keeps_history(terminal, tmp_path):
    prompt = terminal(*COUNTING)
    prompt.type("reverse-n\t")
    prompt.until(r"reverse-n\x07?ext")
    prompt.type("\x15wat\t1\n")
    prompt.until("a constant does not change: '1'")
    prompt.type("step\t\t")
    prompt.until("stepi")
    prompt.type("i\n")
    prompt.until(r"\x1b\[1m => 0x10004")
    prompt.type("\n")
    prompt.until(r" => 0x10008")
    prompt.until(PROMPT)
    prompt.type("quit\n")
    assert prompt.wait() == 0
    assert "stepi" in (tmp_path / "history").read_text()


def test_ctrl_c_on_a_terminal_stops_the_run_and_the_way_back_and_leaves_the_prompt(terminal):
    prompt = terminal(*COUNTING)
    since = cpu_ticks(prompt.pid)
    prompt.type("c\n")
    wait_until_busy(prompt.pid, since)
    prompt.type("\x03")
    prompt.until("interrupted")
    assert int(prompt.until(r"\(emu v0 @(\d+)\) ")[1]) > 0
    prompt.type("goto 20000000\n")
    prompt.until(r"@20000000\) ")
    prompt.type("break 0x10004 if r3 == 0\n")  # the way back, looking at each, takes minutes
    prompt.until(PROMPT)
    since = cpu_ticks(prompt.pid)
    prompt.type("rc\n")
    wait_until_busy(prompt.pid, since)
    prompt.type("\x03")
    prompt.until("interrupted")
    prompt.until(r"@20000000\) ")
    wait_until_asleep(prompt.pid)  # input() hears no signal before it waits
    prompt.type("\x03")  # at the prompt: a new line
    prompt.until(PROMPT)
    prompt.type("p r3 > 5\n")
    prompt.until(r"\$1 = 0x1")
    prompt.until(PROMPT)
    prompt.type("q\n")
    assert prompt.wait() == 0


ENDLESS = """python
repl = session.interrupt.__self__
print("be" + "gun")
while not repl.ctrl_c.asked: pass
print("on" + "ce")
while True: pass
end
"""


def test_a_second_ctrl_c_ends_python_that_never_comes_back(terminal):
    prompt = terminal(*COUNTING)
    prompt.type(ENDLESS)
    prompt.until("begun")
    prompt.type("\x03")
    prompt.until("once")
    prompt.type("\x03")
    prompt.until("interrupted")
    prompt.until(PROMPT)
    prompt.type("q\n")
    assert prompt.wait() == 0


def test_ctrl_c_gives_up_a_block_that_is_being_typed(terminal):
    prompt = terminal(*COUNTING)
    prompt.type("python\n")
    prompt.until("> ")
    wait_until_asleep(prompt.pid)
    prompt.type("\x03")
    prompt.until("interrupted")
    prompt.until(PROMPT)
    prompt.type("q\n")
    assert prompt.wait() == 0


def test_ctrl_c_in_a_batch_leaves_out_the_rest_and_exits_130():
    process = subprocess.Popen(
        [*DEBUG, *COUNTING, "--batch", "--ex", "echo ready", "--ex", "c", "--ex",
         "echo not reached"],
        stdout=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert "interrupted" in rest
    assert "not reached" not in rest
    assert process.returncode == 130


class Typed(io.StringIO):
    """Lines, and Ctrl-C in front of some: in the middle of readline()."""

    def __init__(self, lines, interrupted):
        super().__init__(lines)
        self.interrupted = interrupted
        self.asked = 0

    def readline(self):
        self.asked += 1
        if self.asked in self.interrupted:
            signal.raise_signal(signal.SIGINT)
        return super().readline()


def repl_on(stdin):
    debugged = session(smt=2)
    debugged.begin()
    return Repl(debugged, stdin, io.StringIO())


def test_ctrl_c_at_the_prompt_is_a_new_line():
    repl = repl_on(Typed("echo one\necho two\n", {1, 3}))
    with repl.ctrl_c:
        repl.loop()
    assert re.findall("one|two", repl.stdout.getvalue()) == ["one", "two"]


def test_ctrl_c_between_two_commands_is_not_lost_and_ends_nothing_but_them():
    repl = repl_on(io.StringIO("echo at the prompt\n"))
    repl.interpreter.python_names["strike"] = lambda: signal.raise_signal(signal.SIGINT)
    with repl.ctrl_c:
        assert not repl.run_script("python strike()\necho not reached\n")
        assert repl.interrupted
        signal.raise_signal(signal.SIGINT)
        repl.loop()
    said = repl.stdout.getvalue()
    assert "interrupted" in said
    assert "not reached" not in said
    assert "at the prompt" in said


@pytest.mark.parametrize("command", ["load", "source"])
def test_a_file_without_an_end_is_refused(prompt, command):
    with pytest.raises(CommandError, match="larger than"):
        prompt(f"{command} /dev/zero")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format": 1e999}', "[]", "\\xff", '{"edits": [[]]}', "null"]
)
def test_a_damaged_session_is_refused(prompt, tmp_path, text):
    file = tmp_path / "session"
    file.write_text(text, "latin-1")
    with pytest.raises(CommandError):
        prompt(f"load {file}")


def test_source_is_listed_around_a_line_or_here():
    done = emu_debug("guests/token_ring.s", "--smt", 2, "--batch", "--ex", "tb doorbell",
                     "--ex", "c", "--ex", "list", "--ex", "list 50", "--ex",
                     "list token_ring.s:40", "--ex", "list 9999")  # fmt: skip
    assert done.returncode == 1
    assert "error: guests/token_ring.s has 88 lines, got 9999" in done.stdout
    assert "=>    83          addi    r17, r17, 1" in done.stdout
    assert "      50          cmpdi   r14, 0" in done.stdout
    assert "=>    43          ld      r18, 0(r16)" in done.stdout
