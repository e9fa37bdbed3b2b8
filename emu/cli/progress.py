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

    @property
    def interrupted(self) -> bool:
        """Whether there was a Ctrl-C."""
        return self._interrupt.seen

    def step(self, facts: Facts) -> bool:
        """Show how it goes; False: stop."""
        now = time.monotonic()
        if self.interrupted:
            return False
        count, what = (facts.states, "states") if facts.states else (facts.runs, "runs")
        passed = max(now - self._started, 1e-3)
        self._show(
            f"{count} {what} ({count / passed / 1000:.0f} k/s)  "
            f"{facts.ends} ends  depth {facts.depth}  frontier {facts.frontier}"
        )
        return self._seconds is None or now - self._started < self._seconds * self._share

    def tried(self, searches: int) -> bool:
        """Show how many smaller programs were searched; False: stop."""
        if self.interrupted:
            return False
        self._show(f"making it smaller: {searches} searches")
        return True

    def go_on(self) -> bool:
        """Whether there is time for a search within bounds, after one that was cut off.

        All the time that is left is for those.
        """
        self._share = 1.0
        left = self._seconds is None or time.monotonic() - self._started < self._seconds
        return left and not self.interrupted

    def _show(self, line: str) -> None:
        """Put it in the place of the last line, if that has been there for a while."""
        now = time.monotonic()
        if self._terminal and now - self._shown >= EVERY:
            self._shown = now
            self._written = True
            click.echo(f"\r\033[K{line}", nl=False, err=True)

    def clear(self) -> None:
        """Leave the terminal's line empty."""
        if self._written:
            self._written = False
            click.echo("\r\033[K", nl=False, err=True)
