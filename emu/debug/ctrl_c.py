"""Ctrl-C under the debugger: the machine stops at its next rest, and a wait ends at once.

An exception in the middle of a step would leave the machine elsewhere than its history says, and
Python drops one that is raised while a finalizer runs. So it is raised only where nothing is done.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from emu.sigint import SigintHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _never() -> bool:
    return False


class CtrlC(SigintHandler):
    """While this is entered, a SIGINT raises KeyboardInterrupt in `waiting`, else it is noted.

    asked: one was noted. breaks_in: whether another one, while one is noted, raises at once.
    """

    def __init__(self, breaks_in: Callable[[], bool] = _never) -> None:
        super().__init__()
        self.asked = False
        self._breaks_in = breaks_in
        self._waiting = False

    def take(self) -> bool:
        """Whether one was noted; it is not any more."""
        asked = self.asked
        if asked:  # one that comes in between is not lost: it is the same
            self.asked = False
        return asked

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for somebody in this context: a Ctrl-C ends it, also one that was noted before."""
        try:
            self._waiting = True
            if self.take():
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def heard(self) -> None:
        """Note it, or raise KeyboardInterrupt where somebody waits."""
        if self._waiting or (self.asked and self._breaks_in()):
            raise KeyboardInterrupt
        self.asked = True
