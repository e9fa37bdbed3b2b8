"""gdb's single steps: with the handlers of interrupts, and past them in both directions."""

from pathlib import Path

import pytest

from emu.asm import assemble
from emu.debug.gdb.stepping import Stepping
from emu.debug.session import Session
from emu.hv.host import Host
from emu.hv.schedulers import RoundRobin

GUEST = Path(__file__).parent / "guests" / "interrupted.s"
HANDLER = range(0xA00, 0xA08)


def stepping(host, turn):
    """A thread in its loop, which another one's doorbells interrupt again and again."""
    program = assemble(GUEST.read_text())
    made = Host(host)
    vm = made.create_vm(memory=1 << 20, smt=2)
    for _ in range(2):
        vm.create_vcpu()
    vm.load(program)
    session = Session(made, program, RoundRobin(turn))
    session.begin()
    session.until(session.evaluate("loop"))
    return session, Stepping(session)


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize("turn", [7, 20])
def test_a_step_back_without_interrupts_undoes_one_without_interrupts(host, turn):
    session, steps = stepping(host, turn)
    steps.interrupts = False
    places, taken = [session.nia()], session.evaluate("r17")
    for _ in range(60):
        assert steps.forward().kind == "step"
        places.append(session.nia())
    assert session.evaluate("r17") > taken + 1  # there were interrupts
    assert not [nia for nia in places if nia in HANDLER]
    for nia in reversed(places[:-1]):
        assert steps.back().kind == "step"
        assert session.nia() == nia
    assert session.evaluate("r17") <= taken + 1


def test_with_interrupts_the_handler_is_seen_in_both_directions():
    session, steps = stepping("power9", 20)
    while session.nia() not in HANDLER:
        assert steps.forward().kind == "step"
    while session.nia() in HANDLER:
        assert steps.forward().kind == "step"
    steps.back()
    assert session.nia() == 0xA04


def test_from_within_a_handler_steps_back_are_as_ever():
    session, steps = stepping("power9", 20)
    while session.nia() != 0xA04:
        assert steps.forward().kind == "step"
    steps.interrupts = False
    steps.back()
    assert session.nia() == 0xA00
    steps.back()
    assert session.nia() not in HANDLER


def test_the_beginning_is_said_behind_a_handler_too():
    session, steps = stepping("power9", 7)
    steps.interrupts = False
    for _ in range(10):
        steps.forward()
    for _ in range(200):
        stop = steps.back()
        if stop.kind != "step":
            break
    assert stop.kind == "begin"
    assert session.position == 0
