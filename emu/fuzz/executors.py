"""Where chunks are done: in this process, or on processes of this machine.

All of them do a task at least once and give its result once; a process that dies costs only that
its task is done again. `cluster.py` has the one for other machines.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from emu import __version__
from emu.errors import EmuError
from emu.explore.spawning import without_interrupts
from emu.fuzz.worker import Worker, do_chunks

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from emu.fuzz.plan import Batch, Chunk, Plan

    Heed = Callable[[], None]

MAX_LOST: Final = 3  # times that one task may lose its process
HEED_SECONDS: Final = 0.2  # between two looks at whether to go on


def nothing() -> None:
    """Heed nothing: go on until it is done."""


class LostError(EmuError):
    """A task whose process died again and again."""


class Task(NamedTuple):
    """Chunks that one worker does together."""

    number: int
    chunks: tuple[Chunk, ...]


class Done(NamedTuple):
    """What came of a task: a batch for each of its chunks."""

    task: Task
    batches: list[Batch]


class Executor(Protocol):
    """Does tasks.

    One that is given a function `heed` calls it now and then while `done` waits; what that raises,
    ends the campaign.
    """

    @property
    def slots(self) -> int:
        """How many it should have at a time, so that nobody is idle."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def done(self) -> Done:
        """Wait for a task that is done, whichever it is. Raises what the task raised, LostError."""

    def close(self) -> None:
        """Stop at once, whatever is still being done."""


class Here:
    """Does them in this process, one after the other; heeds before each search."""

    def __init__(self, plan: Plan, heed: Heed = nothing) -> None:
        self.slots = 1
        self._worker = Worker(plan, heed)
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def done(self) -> Done:
        """Do the next task."""
        task = self._tasks.popleft()
        return Done(task, [self._worker.do(chunk) for chunk in task.chunks])

    def close(self) -> None:
        """Nothing is going on."""


@dataclass(slots=True, eq=False)
class _Member:
    process: BaseProcess
    pipe: Connection
    task: Task | None = None


@dataclass(slots=True)
class Processes:
    """Does them on processes of this machine, which end with this one."""

    plan: Plan
    jobs: int
    heed: Heed = nothing
    slots: int = field(init=False)
    lost: int = 0
    _members: list[_Member] = field(default_factory=list)
    _tasks: deque[Task] = field(default_factory=deque)
    _losses: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slots = 2 * self.jobs  # one in work and one that waits
        self._members = [self._hired() for _ in range(self.jobs)]

    @property
    def pids(self) -> list[int]:
        """Ids of the processes."""
        return [member.process.pid for member in self._members if member.process.pid]

    def _hired(self) -> _Member:
        # A new interpreter, since to fork one that has threads can leave the copy stuck.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.plan), daemon=True)
        with without_interrupts():
            process.start()
        theirs.close()
        return _Member(process, ours)

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)
        self._assign()

    def _assign(self) -> None:
        for index in range(len(self._members)):
            while self._tasks and self._members[index].task is None:
                task = self._tasks.popleft()
                try:
                    self._members[index].pipe.send(task.chunks)
                except OSError:  # it died while it had nothing to do
                    self._tasks.appendleft(task)
                    self._replace(index)
                else:
                    self._members[index].task = task

    def done(self) -> Done:
        """Wait for a task. Raises what it raised, and LostError."""
        while True:
            busy = {member.pipe: index for index, member in enumerate(self._members) if member.task}
            self.heed()
            while not (ready := wait(list(busy), HEED_SECONDS)):
                self.heed()
            index = busy[ready[0]]  # type: ignore[index]  # wait() gives back what it was given
            member = self._members[index]
            task = member.task
            assert task is not None
            try:
                answer = member.pipe.recv()
            except (EOFError, OSError):
                self._count_loss(task)
                self._tasks.appendleft(task)
                self._replace(index)
                self._assign()
                continue
            member.task = None
            self._assign()
            if isinstance(answer, BaseException):
                raise answer
            return Done(task, answer)

    def _count_loss(self, task: Task) -> None:
        self.lost += 1
        self._losses[task.number] = self._losses.get(task.number, 0) + 1
        if self._losses[task.number] > MAX_LOST:
            raise LostError(f"task {task.number} lost its process {MAX_LOST + 1} times")

    def _replace(self, index: int) -> None:
        self._dismiss(self._members[index])
        self._members[index] = self._hired()

    @staticmethod
    def _dismiss(member: _Member) -> None:
        member.process.terminate()
        member.process.join()
        member.pipe.close()

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            self._dismiss(member)
        self._members = []


def _serve(pipe: Connection, plan: Plan) -> None:
    """A process's life: chunks in, batches or an exception out, until nobody asks any more."""
    while True:
        try:
            chunks = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: object = do_chunks(__version__, plan, chunks)
        except Exception as error:  # noqa: BLE001  it is raised where it can be told
            answer = error
        pipe.send(answer)
