"""Coverage: what a search reached, as items that mean the same everywhere; and what there is."""

from __future__ import annotations

import pytest

from emu.fuzz.coverage import (
    TOLD,
    Item,
    coverage_object,
    coverage_text,
    steps,
    universe,
)
from emu.fuzz.plan import Chunk, Plan
from emu.fuzz.programs import Op, Program
from emu.fuzz.worker import Worker

SEND = Program(((Op("send", 1),), (Op("tir"),)), 2, (False, True))
CEDE = Program(((Op("send", 1),), (Op("cede"),)), 2, (False, True))


def covered(host, *programs):
    """What programs reach, each beyond those before it."""
    plan = Plan((host,), None, properties=("liveness",))
    done = Worker(plan).do(Chunk(0, host, len(programs), given=programs))
    return [{item for item in kept.items if item.kind != "path"} for kept in done.kept]


def whats(items, kind):
    return {item.what for item in items if item.kind == kind}


def test_exits_interrupts_and_instructions_are_those_of_the_program():
    (send,) = covered("power9", SEND)
    assert whats(send, "exit") == {"HFAC_UNAVAIL", "H_DOORBELL"}
    assert whats(send, "interrupt") == {"doorbell"}
    assert whats(send, "instruction") == {"msgsndp", "mfspr", "rfid"}


def test_what_was_reached_before_is_not_reached_again():
    send, cede = covered("power9", SEND, CEDE)
    assert whats(cede, "exit") == {"HCALL"}
    assert not send & cede
    assert any(step.startswith("kvmppc_cede:") for step in whats(cede, "step"))


def test_the_same_program_covers_the_same_on_every_host_that_is_asked_again():
    assert covered("power8", CEDE, SEND) == covered("power8", CEDE, SEND)
    assert covered("power9", CEDE) != covered("power8", CEDE)


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_what_is_reached_is_something_that_there_is(host):
    for items in covered(host, CEDE):
        for kind in TOLD:
            assert whats(items, kind) <= universe(kind)


def test_steps_are_the_yields_of_host_code():
    assert any(step.startswith("kvmppc_cede:") for step in steps())
    assert len(steps()) > 300


def test_a_report_says_what_was_never_reached():
    items = [Item("exit", "power9", "HCALL"), Item("exit", "power8", "HCALL")]
    text = coverage_text(items)
    assert "exit: a reason for which a guest is left; 1 of " in text
    assert "\n  HCALL  8,9\n" in text
    assert "\nexit: never reached\n" in text
    assert "\n  EMUL_ASSIST\n" in text
    found = coverage_object(items)["exit"]
    assert found["reached"] == {"HCALL": ["power8", "power9"]}
    assert "HCALL" not in found["never"]
    assert "H_DOORBELL" in found["never"]
