"""Ctrl-C while a machine runs: it stops where its state is whole, not in the middle of a step."""

from __future__ import annotations

from emu.sigint import SigintHandler


class CtrlC(SigintHandler):
    """Within this context the first SIGINT waits for `check`; a second one interrupts at once.

    seen: there was one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was a SIGINT."""
        if self.seen:
            raise KeyboardInterrupt

    def heard(self) -> None:
        """Note the first, raise KeyboardInterrupt for others."""
        self.check()
        self.seen = True
