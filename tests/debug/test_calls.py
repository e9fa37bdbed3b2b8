"""Calls and returns."""

from debug.test_session import CALLS, session
from emu.debug.calls import is_call, is_return, return_address


def test_the_return_address_of_a_leaf_is_in_lr():
    debugged = session(CALLS, smt=1)
    debugged.until(debugged.evaluate("inner"))
    assert return_address(debugged) == debugged.evaluate("_start") + 8


def test_branches_that_set_lr_are_calls_and_blr_is_a_return():
    assert [is_call(word) for word in (0x48000001, 0x48000000, 0x4E800421, 0x4E800020)] == [
        True, False, True, False]  # bl, b, bctrl, blr  # fmt: skip
    assert is_return(0x4E800020)
    assert not is_return(0x4E800021)
