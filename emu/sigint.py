"""Ctrl-C as a call instead of an exception wherever the interpreter happens to be."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class SigintHandler(ABC):
    """Within this context a SIGINT is handled by `heard`, which may raise KeyboardInterrupt.

    Python lets only the main thread handle signals: on another one nothing changes.
    """

    def __init__(self) -> None:
        self._before: object = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if callable(self._before):
            signal.signal(signal.SIGINT, self._before)

    @abstractmethod
    def heard(self) -> None:
        """Hear of a SIGINT."""

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.heard()
