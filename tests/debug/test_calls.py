"""Calls and returns."""

import pytest

from debug.test_session import CALLS, session
from emu.debug.calls import is_call, is_return, return_address
from emu.errors import EmuError


def test_the_return_address_of_a_leaf_is_in_lr():
    debugged = session(CALLS, smt=1)
    debugged.until(debugged.evaluate("inner"))
    assert return_address(debugged) == debugged.evaluate("_start") + 8


def test_where_lr_was_saved_in_a_register_no_caller_is_made_up():
    debugged = session("""
_start: bl outer
        b _start
outer:  mflr 30
        bl inner
        mtlr 30
        blr
inner:  blr
""", smt=1)  # fmt: skip
    debugged.until(debugged.evaluate("outer"))
    assert return_address(debugged) == debugged.evaluate("_start") + 4
    debugged.until(debugged.evaluate("outer") + 8)
    with pytest.raises(EmuError, match="LR points into this very function"):
        debugged.finish()


def test_branches_that_set_lr_are_calls_and_blr_is_a_return():
    assert [is_call(word) for word in (0x48000001, 0x48000000, 0x4E800421, 0x4E800020)] == [
        True, False, True, False]  # bl, b, bctrl, blr  # fmt: skip
    assert is_return(0x4E800020)
    assert not is_return(0x4E800021)
