"""What every stop shows of itself."""

import pytest

from debug.test_session import session
from emu.debug.commands import Interpreter
from emu.debug.context import PANES
from emu.errors import EmuError


@pytest.fixture
def prompt():
    lines = []
    made = Interpreter(session(smt=2), lines.append)

    def run(*commands):
        lines.clear()
        for command in commands:
            made.execute(command)
        return "\n".join(lines)

    run.session = made.session
    return run


def test_all_that_is_new_is_shown_pane_by_pane(prompt):
    text = prompt("b send", "c")
    assert "r14 " not in text  # still 0
    assert "  cr 0x20000000  r15 0x2" in text
    assert " => 0x10010 <send>" in text
    assert "  hv: " in text
    assert "v0.cpu 0x0 -> 0x1" in text
    assert "  v1 vcore0.t1 host" in text
    assert "  t=0 v0: kvm_guest_enter" in text


@pytest.mark.parametrize("pane", PANES)
def test_each_pane_is_switched_off_and_on_alone(prompt, pane):
    everything = prompt("b send", "c")
    prompt("goto 0", f"context {pane} off")
    without = prompt("c")
    shown = set(everything.splitlines()) - set(without.splitlines())
    assert shown
    assert set(without.splitlines()) < set(everything.splitlines())
    prompt("goto 0", f"context {pane} on")
    assert prompt("c") == everything.replace("breakpoint 1 at 0x10010 <send>\n", "")


def test_the_whole_context_is_switched_off_and_on(prompt):
    prompt("b send", "context off")
    assert prompt("c") == "breakpoint 1, 0x10010 <send>"
    prompt("context on")
    assert "=> 0x10014" in prompt("si")


def test_nothing_new_is_no_line(prompt):
    prompt("b send", "c")
    text = prompt("context")
    assert "hv:" not in text
    assert "t=" not in text
    assert text.splitlines()[1].startswith(" => 0x10010")


def test_sprs_and_doorbells_are_registers_too(prompt):
    assert "  dpdes 0x2" in prompt("context off", "watch v1.dpdes", "c", "context on", "goto 0",
                                   "context off", "c", "rc", "context on", "c")  # fmt: skip
    prompt("delete", "catch interrupt doorbell")
    assert "srr1 [SF EE ME]" in prompt("c")


def test_who_waits_and_who_goes_are_both_shown(prompt):
    text = prompt("watch v1.doorbell_request", "c", "thread v1", "context")
    assert "  next step: v0 in _msgsndp" in text
    assert "  v1 is in\n" in text


def test_the_one_that_changed_a_value_becomes_the_current_vcpu(prompt):
    prompt("watch v1.doorbell_request", "c")
    assert prompt.session.vcpu.name == "v0"
    prompt("c")
    assert prompt.session.vcpu.name == "v1"
    prompt("rc")
    assert prompt.session.vcpu.name == "v0"


@pytest.mark.parametrize("text", ["maybe", "nothing off", "events", "events maybe", "off events"])
def test_a_pane_that_is_not_there_is_refused(prompt, text):
    with pytest.raises(EmuError, match="context takes on, off, or one of registers, code"):
        prompt(f"context {text}")


def test_the_last_events_are_listed(prompt):
    assert prompt("info events") == "nothing has happened yet"
    prompt("catch interrupt doorbell", "c")
    lines = prompt("info events").splitlines()
    assert 1 < len(lines) <= 16
    assert any("kvm_ppc_doorbell:sent 0x28000001" in line for line in lines)
