"""Processes of our own hear of no Ctrl-C: it is for the one who asks them, and ends them."""

from __future__ import annotations

import contextlib
import signal
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that start in here hear of no Ctrl-C, which is for the one who asks.

    They get it blocked, not ignored later: it could come while they still import, and kill them.
    """
    # Python's own helper process comes with the first one, and unblocks SIGINT once it is there.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
