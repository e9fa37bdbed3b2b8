"""The line that a search keeps up to date on a terminal, and when it is to stop."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from emu.cli.ctrl_c import CtrlC
    from emu.explore.search import Facts

EVERY = 0.2  # seconds between two lines
FIRST_SHARE = 0.5  # of the time is for the search without bounds


class Progress:
    """Called now and then by a search: shows its counts, and ends it on Ctrl-C or in time.

    No time left is given: the number of states to come cannot be known.
    """

    def __init__(
        self, interrupt: CtrlC, seconds: float | None = None, *, whole: bool = True
    ) -> None:
        """whole: all the time is for one search, none is kept for those within bounds."""
        self._interrupt = interrupt
        self._seconds = seconds
        self._share = 1.0 if whole else FIRST_SHARE
        self._started = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._written = False
        self.interrupted = False

    def step(self, facts: Facts) -> bool:
        """Show how it goes; False: stop."""
        now = time.monotonic()
        try:
            self._interrupt.check()
        except KeyboardInterrupt:
            self.interrupted = True
            return False
        if self._terminal and now - self._shown >= EVERY:
            self._shown = now
            self._written = True
            passed = now - self._started
            count, what = (facts.states, "states") if facts.states else (facts.runs, "runs")
            line = (
                f"{count} {what} ({count / passed / 1000:.0f} k/s)  "
                f"{facts.ends} ends  depth {facts.depth}  frontier {facts.frontier}"
            )
            click.echo(f"\r\033[K{line}", nl=False, err=True)
        return self._seconds is None or now - self._started < self._seconds * self._share

    def go_on(self) -> bool:
        """Whether there is time for a search within bounds, after one that was cut off.

        All the time that is left is for those.
        """
        self._share = 1.0
        left = self._seconds is None or time.monotonic() - self._started < self._seconds
        return left and not self.interrupted

    def clear(self) -> None:
        """Leave the terminal's line empty."""
        if self._written:
            click.echo("\r\033[K", nl=False, err=True)
