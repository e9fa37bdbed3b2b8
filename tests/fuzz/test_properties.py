"""Each property says yes to what is right and no to what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.errors import ConfigError
from emu.explore.litmus.condition import holds
from emu.explore.litmus.model import Ghost, GhostKind, Register
from emu.fuzz.lowering import UNREAD
from emu.fuzz.programs import Op, Program
from emu.fuzz.properties import PROPERTIES, chosen

SEND = Program(((Op("send", 1), Op("dpdes"), Op("tir")), (Op("load"),)), 2, (False, False))


def state(taken=0, pend=0, dpdes=0, tir=0):
    """An end state of SEND: what thread 1 has of doorbells, what thread 0 has read."""
    ghosts = {Ghost(kind, thread): 0 for kind in GhostKind for thread in (0, 1)}
    return ghosts | {
        Ghost(GhostKind.TAKEN, 1): taken,
        Ghost(GhostKind.PEND, 1): pend,
        Register(0, "r7"): dpdes,
        Register(0, "r8"): tir,
    }


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("no-lost-doorbell", {"pend": 1}, {}),
        ("no-lost-doorbell", {"taken": 1}, {}),
        ("no-spurious-doorbell", {"taken": 1}, {"taken": 1, "pend": 1}),
        ("no-spurious-doorbell", {}, {"taken": 2}),
        ("dpdes-of-own-core", {"dpdes": 2}, {"dpdes": 1}),
        ("dpdes-of-own-core", {"dpdes": 0}, {"dpdes": 6}),
        ("tir-constant", {"tir": 0}, {"tir": 1}),
        ("tir-constant", {"tir": UNREAD}, {"tir": 4}),
    ],
)
def test_right_and_wrong_are_told_apart(name, right, wrong):
    check = PROPERTIES[name].check
    assert check(SEND, "power9", state(**right)) is None
    sentence, condition = check(SEND, "power9", state(**wrong))
    assert sentence
    assert holds(condition, state(**wrong))
    assert not holds(condition, state(**right))


@pytest.mark.parametrize("op", [Op("bad_type"), Op("bad_tag", 3), Op("send", 2)])
def test_a_send_that_reaches_nobody_allows_no_doorbell(op):
    program = Program(((op,), ()), 4, (False, False))
    check = PROPERTIES["no-spurious-doorbell"].check
    assert check(program, "power9", state()) is None
    assert check(program, "power9", state(pend=1)) is not None


def test_a_send_in_another_core_counts_for_its_own():
    program = Program(((Op("send", 0),), ()), 1, (False, False))
    assert PROPERTIES["no-spurious-doorbell"].check(program, "power9", state(taken=1)) is not None


def test_a_send_after_a_cede_need_not_come():
    program = Program(((Op("cede"), Op("send", 1)), ()), 2, (False, False))
    assert PROPERTIES["no-lost-doorbell"].check(program, "power9", state()) is None


def test_a_send_by_a_thread_that_may_be_stopped_need_not_come():
    check = PROPERTIES["no-lost-doorbell"].check
    stopped = replace(SEND, agents=("stop:0",))
    assert check(SEND, "power9", state()) is not None
    assert check(stopped, "power9", state()) is None
    assert check(replace(SEND, agents=("stop:1",)), "power9", state()) is not None


def test_an_unknown_property_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no property 'x'; properties are no-lost-wakeup, "):
        chosen(["x"])
    assert {row.name for row in chosen([])} == set(PROPERTIES)
