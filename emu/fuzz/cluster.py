"""Chunks on other machines: an executor over a Dask distributed scheduler, an optional extra.

A task's key is made of its content, so that the scheduler does not do twice what two campaigns
ask of it. Workers must have the same version of this program.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import queue
from typing import TYPE_CHECKING, Any, Final

from emu import __version__
from emu.errors import ConfigError
from emu.fuzz.executors import HEED_SECONDS, MAX_LOST, Done, LostError, Task, nothing
from emu.fuzz.worker import do_chunks

if TYPE_CHECKING:
    from emu.fuzz.executors import Heed
    from emu.fuzz.plan import Plan


CONNECT_SECONDS: Final = 30


class Cluster:
    """Does tasks on the workers of a scheduler, whose address is like tcp://host:8786."""

    def __init__(self, plan: Plan, address: str, heed: Heed = nothing) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")  # optional
        except ImportError:
            raise ConfigError(
                "a scheduler needs Dask distributed: install emu with the extra `cluster`"
            ) from None
        self._plan = plan
        self._heed = heed
        self._distributed = distributed
        try:
            self._client = distributed.Client(
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"no scheduler answers at {address}: {error}") from None
        self._done: queue.Queue[Any] = queue.Queue()
        self._tasks: dict[str, Task] = {}
        self._losses: dict[str, int] = {}
        self.lost = 0

    @property
    def slots(self) -> int:
        """Two tasks for each thread of a worker; workers may come and go."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        threads: int = sum(worker["nthreads"] for worker in workers)
        return max(2, 2 * threads)

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._submit(task, "")

    def _submit(self, task: Task, suffix: str) -> None:
        content = repr((__version__, self._plan, task.chunks))
        key = f"emu-{hashlib.sha256(content.encode()).hexdigest()}{suffix}"
        future = self._client.submit(do_chunks, __version__, self._plan, task.chunks, key=key)
        self._tasks[key] = task
        future.add_done_callback(self._done.put)

    def done(self) -> Done:
        """Wait for a task. Raises what it raised, and LostError."""
        while True:
            future = self._next()
            task = self._tasks.pop(future.key)
            if future.status == "finished":
                return Done(task, future.result())
            error = future.exception() if future.status == "error" else None
            gone = (self._distributed.KilledWorker, self._distributed.client.FutureCancelledError)
            if error is not None and not isinstance(error, gone):
                raise error
            self.lost += 1
            base = future.key.partition("+")[0]
            self._losses[base] = self._losses.get(base, 0) + 1
            if self._losses[base] > MAX_LOST:
                raise LostError(f"task {task.number} lost its worker {MAX_LOST + 1} times")
            self._submit(task, f"+{self._losses[base]}")

    def _next(self) -> Any:  # noqa: ANN401 - a Future
        while True:
            self._heed()
            with contextlib.suppress(queue.Empty):
                return self._done.get(timeout=HEED_SECONDS)

    def close(self) -> None:
        """Leave the scheduler, which drops what nobody else asked for."""
        self._client.close(timeout=2)
