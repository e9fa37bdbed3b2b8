"""Ctrl-C: it raises where something is waited for, and is kept until it is asked for elsewhere."""

import gc
import signal

import pytest

from emu.debug.ctrl_c import CtrlC


def strike():
    signal.raise_signal(signal.SIGINT)


def test_where_nothing_is_waited_for_it_is_noted_and_told_once():
    with CtrlC() as ctrl_c:
        strike()
        strike()
        assert ctrl_c.asked
        assert [ctrl_c.take(), ctrl_c.take()] == [True, False]


def test_it_ends_a_wait_also_one_that_comes_after_it():
    with CtrlC() as ctrl_c:
        with pytest.raises(KeyboardInterrupt), ctrl_c.waiting():
            strike()
        strike()
        with pytest.raises(KeyboardInterrupt), ctrl_c.waiting():
            pytest.fail("it was noted before")
        with ctrl_c.waiting():
            pass
        assert not ctrl_c.take()


def test_a_second_one_breaks_in_where_it_may():
    allowed = []
    with CtrlC(breaks_in=lambda: bool(allowed)) as ctrl_c:
        strike()
        strike()
        allowed.append(True)
        with pytest.raises(KeyboardInterrupt):
            strike()
        assert ctrl_c.take()


def test_it_is_not_lost_in_a_finalizer():
    def collecting(phase, _info):
        if phase == "start":
            strike()

    with CtrlC() as ctrl_c:
        gc.callbacks.append(collecting)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(collecting)
        assert ctrl_c.take()


def test_the_handler_before_is_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with CtrlC():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) is before
