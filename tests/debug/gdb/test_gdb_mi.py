"""gdb's machine interface, as editors use it, driven by pygdbmi."""

import pytest

from debug.gdb.conftest import STUB, quote


@pytest.fixture
def controller(oracle):
    pygdbmi = pytest.importorskip("pygdbmi.gdbcontroller", reason="needs pygdbmi (extra: dev)")
    made = pygdbmi.GdbController([oracle("gdb-multiarch"), "--nx", "--quiet", "--interpreter=mi3"])
    yield made
    made.exit()


@pytest.fixture
def say(controller):
    """Send a command, and wait for a message: `say("-exec-continue", "stopped")`."""

    def ask(line, until="done"):
        heard = []
        answers = controller.write(line, timeout_sec=30, raise_error_on_timeout=False)
        for _ in range(60):
            heard.extend(answers)
            for row in heard:
                if row["message"] == until:
                    return row["payload"]
            answers = controller.get_gdb_response(timeout_sec=1, raise_error_on_timeout=False)
        raise AssertionError(heard)

    return ask


def test_gdbs_machine_interface_stops_steps_back_looks_and_interrupts(say, elf):
    program = elf("doorbell")
    say(f'-file-exec-and-symbols "{program}"')
    say("-gdb-set mi-async on")
    say(f"-target-select remote | {STUB} --stdio --smt 2 {quote(program)}", "connected")
    threads = say("-thread-info")["threads"]
    assert [row["name"] for row in threads] == ["vcore0.t0", "vcore0.t1"]
    say("-break-insert helper")
    stopped = say("-exec-continue", "stopped")
    assert stopped["reason"] == "breakpoint-hit"
    assert stopped["frame"]["func"] == "helper"
    assert [row["func"] for row in (f for f in say("-stack-list-frames")["stack"])] == [
        "helper", "outer", "_start",
    ]  # fmt: skip
    say("-break-delete")
    assert say("-exec-step-instruction --reverse", "stopped")["frame"]["func"] == "outer"
    assert say("-exec-finish", "stopped")["frame"]["func"] == "after"  # a label of _start's
    read = say("-data-read-memory-bytes 0x10000 4")
    assert read["memory"][0]["contents"] == "38600005"
    values = say("-data-list-register-values x 3 64")["register-values"]
    assert [row["value"] for row in values] == ["0x2a", "0x10010"]
    say('-interpreter-exec console "monitor when"')
    say("-target-detach")


def test_the_machine_interface_interrupts_a_guest_that_never_ends(say, elf):
    program = elf("spin")
    say(f'-file-exec-and-symbols "{program}"')
    say("-gdb-set mi-async on")
    say(f"-target-select remote | {STUB} --stdio --smt 1 {quote(program)}", "connected")
    say("-exec-continue", "running")
    stopped = say("-exec-interrupt", "stopped")
    assert (stopped["reason"], stopped["signal-name"]) == ("signal-received", "SIGINT")
    say("-target-detach")
