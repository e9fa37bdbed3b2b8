"""Executors: the same results on this process, on several and on a cluster, whoever is killed."""

from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import replace

import pytest
from processes import wait_until

from emu import __version__
from emu.cli import exit_code_of
from emu.errors import ConfigError
from emu.fuzz.campaign import campaign
from emu.fuzz.cluster import Cluster
from emu.fuzz.executors import Here, LostError, Processes, Task
from emu.fuzz.plan import CHUNK, Chunk, Plan
from emu.fuzz.programs import Bounds
from emu.fuzz.worker import do_chunks

SMALL = Bounds(threads=2, smt=2)
PLAN = Plan(("power9",), 4 * CHUNK + 5, properties=("liveness",), seed=7, bounds=SMALL)
BUGGY = Plan(("power9",), 5, seed=3, bugs=("lost-kick",), bounds=SMALL)


def silent(_total, _elapsed):
    """Nobody listens."""


def gone(pid):
    """Whether there is no such process, or only what is left of it."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Killer:
    """What executors heed while they wait: kills a process each time, at most so often."""

    def __init__(self, times=1):
        self.left = times
        self.pids = list  # of whom

    def __call__(self):
        if self.left and (pids := self.pids()):
            self.left -= 1
            os.kill(pids[0], signal.SIGKILL)


def processes_losing(plan, jobs, killer):
    """An executor whose first process never gets anywhere before it is killed."""
    executor = Processes(plan, jobs, killer)
    killer.pids = lambda: executor.pids
    os.kill(executor.pids[0], signal.SIGSTOP)
    return executor


@pytest.mark.parametrize("plan", [PLAN, BUGGY])
def test_processes_find_what_one_does(plan):
    assert campaign(plan, silent, Processes(plan, 2)) == campaign(plan, silent)


def test_a_killed_process_costs_nothing_but_time():
    executor = processes_losing(PLAN, 2, Killer())
    first = executor.pids[0]
    tasks = [Task(n, (Chunk(n, "power9", CHUNK),)) for n in range(4)]
    for task in tasks:
        executor.submit(task)
    found = {task.number: batches for task, batches in (executor.done() for _ in tasks)}
    assert executor.lost == 1
    assert first not in executor.pids
    executor.close()
    assert found == {task.number: do_chunks(__version__, PLAN, task.chunks) for task in tasks}


def test_a_timed_campaign_goes_on_when_a_process_is_killed():
    plan = replace(PLAN, runs=None, seconds=4)
    executor = processes_losing(plan, 2, Killer())
    pids = executor.pids
    told = []
    total = campaign(plan, lambda total, _elapsed: told.append(total.programs), executor)
    assert executor.lost == 1
    assert told == sorted(set(told))
    assert total.programs == told[-1]
    assert all(map(gone, pids))


def test_a_process_that_dies_idle_is_replaced():
    executor = Processes(PLAN, 1)
    os.kill(executor.pids[0], signal.SIGKILL)
    wait_until(lambda: gone(executor.pids[0]), "the process is gone")
    executor.submit(Task(0, (Chunk(0, "power9", 1),)))
    assert executor.done().batches[0].programs == 1
    executor.close()


def test_a_task_that_kills_every_process_is_given_up():
    killer = Killer(times=4)
    executor = Processes(PLAN, 1, killer)
    killer.pids = lambda: executor.pids
    executor.submit(Task(3, (Chunk(0, "power9", 10 * CHUNK),)))
    with pytest.raises(LostError, match="task 3 lost its process 4 times"):
        executor.done()
    executor.close()


def test_what_a_process_raises_is_raised_here():
    plan = Plan(("power9",), CHUNK, bugs=("nothing",))
    executor = Processes(plan, 1)
    executor.submit(Task(0, (Chunk(0, "power9", 1),)))
    with pytest.raises(ConfigError, match="the bug zoo has no 'nothing'"):
        executor.done()
    executor.close()


def test_a_campaign_that_ends_leaves_no_process():
    executor = Processes(PLAN, 2)
    pids = executor.pids

    def interrupt(_total, _elapsed):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        campaign(PLAN, interrupt, executor)
    assert all(map(gone, pids))


@pytest.mark.parametrize("executor", [Here, lambda plan, heed: Processes(plan, 1, heed)])
def test_a_campaign_ends_in_the_middle_of_a_chunk_if_asked_to(executor):
    looks = itertools.count()

    def heed():
        if next(looks) == 3:
            raise KeyboardInterrupt

    plan = replace(PLAN, runs=10**9)
    with pytest.raises(KeyboardInterrupt):
        campaign(plan, silent, executor(plan, heed))
    assert next(looks) == 4


def test_a_worker_of_another_version_is_refused():
    with pytest.raises(ConfigError, match=r"this worker has emu .*, and the campaign 0\.0"):
        do_chunks("0.0", PLAN, [])


# ---- a cluster ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """A scheduler with two workers on this machine, each a process of its own."""
    distributed = pytest.importorskip("distributed")
    import dask  # noqa: PLC0415  optional

    dask.config.set({"distributed.admin.tick.interval": "5s"})
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_a_cluster_finds_what_one_process_does(scheduler):
    executor = Cluster(BUGGY, scheduler.scheduler_address)
    assert campaign(BUGGY, silent, executor) == campaign(BUGGY, silent)


def test_a_killed_worker_of_a_cluster_costs_nothing_but_time(scheduler):
    killer = Killer()
    killer.pids = lambda: [worker.pid for worker in scheduler.workers.values() if worker.pid]
    total = campaign(PLAN, silent, Cluster(PLAN, scheduler.scheduler_address, killer))
    assert killer.left == 0
    assert total == campaign(PLAN, silent)


def test_the_command_line_uses_a_cluster(scheduler, tmp_path, capsys):
    arguments = ["fuzz", "--host", "power9", "--vcpus", "2", "--runs", "30", "--json"]
    arguments += ["--property", "liveness", "--out", str(tmp_path)]
    assert exit_code_of([*arguments, "--scheduler", scheduler.scheduler_address]) == 0
    there = json.loads(capsys.readouterr().out)
    assert exit_code_of(arguments) == 0
    here = json.loads(capsys.readouterr().out)
    assert there["coverage"] == here["coverage"]
    assert (there["runs"], there["states"]) == (30, here["states"])


def test_a_scheduler_that_is_not_there_is_said(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("emu.fuzz.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(ConfigError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"):
        Cluster(PLAN, "tcp://127.0.0.1:1")
