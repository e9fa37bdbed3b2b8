"""Campaigns: the same whatever the processes, clean on healthy code, and able to find."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

import emu.explore.agents
import emu.hv.cede
import emu.hv.doorbell
from emu.errors import ConfigError, ReplayError
from emu.explore.case import parse_case
from emu.explore.replay import replay
from emu.fuzz.campaign import BATCH, Plan, campaign, do_batch
from emu.fuzz.programs import OPERATIONS
from emu.hv.ops import Check, Write, nonzero


def silent(_total, _elapsed):
    """Nobody listens."""


def test_every_operation_is_drawn():
    done = campaign(Plan(("power9",), 4 * BATCH), 1, silent)
    assert set(done.operations) == set(OPERATIONS)
    assert done.refused == 0
    assert done.findings == []


def test_two_processes_find_what_one_does():
    plan = Plan(("power9",), 3 * BATCH + 5, seed=7)
    assert campaign(plan, 2, silent) == campaign(plan, 1, silent)


def test_a_killed_process_costs_nothing_but_time():
    plan = Plan(("power9",), 8 * BATCH, seed=3)
    alone = campaign(plan, 1, silent)
    killed = []

    def kill_one():
        """Kill a child of this process as soon as there is one."""
        children = f"/proc/self/task/{os.getpid()}/children"
        while not killed:
            with open(children) as listed:  # noqa: PTH123
                found = listed.read().split()
            if found:
                time.sleep(0.1)
                os.kill(int(found[0]), signal.SIGKILL)
                killed.append(found[0])

    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):  # noqa: PTH110
        pytest.skip("needs /proc to find a child process")
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    together = campaign(plan, 2, silent)
    assert killed
    assert together == alone


def deaf(vcpu):
    """The predicate of the wait without its doorbell term."""
    pending: bool = yield Check(nonzero(vcpu.doorbell_request, 0))
    return pending


def test_a_cede_that_is_deaf_to_doorbells_is_found_and_replayed(monkeypatch):
    monkeypatch.setattr(emu.hv.cede, "kvmppc_doorbell_pending", deaf)
    done = do_batch(Plan(("power9",), None, seed=1), 0, 100)
    found = [f for f in done.findings if f.rule == "no-lost-wakeup"]
    assert found
    assert sum(map(len, found[0].operations)) <= 2
    case = parse_case(found[0].text)
    assert replay(case).reproduced
    monkeypatch.undo()
    with pytest.raises(ReplayError, match="does not fit"):
        replay(case)


def test_a_clear_that_hits_everybody_is_found(monkeypatch):
    def clear_all(vcpu):
        for each in vcpu.kvm.vcpus:
            yield Write(each.doorbell_request, 0)

    monkeypatch.setattr(emu.hv.doorbell, "_msgclrp", clear_all)
    plan = Plan(("power9",), None, properties=("no-lost-doorbell",), seed=1)
    done = do_batch(plan, 0, 300)
    assert [f.rule for f in done.findings][:1] == ["no-lost-doorbell"]


def test_a_read_that_consumes_is_found(monkeypatch):
    def read_and_forget(vcpu):
        yield Write(vcpu.result, 0)
        for each in vcpu.kvm.vcpus:
            yield Write(each.doorbell_request, 0)

    monkeypatch.setattr(emu.hv.doorbell, "kvmppc_read_dpdes", read_and_forget)
    plan = Plan(("power9",), None, properties=("reading-changes-nothing",), seed=1)
    done = do_batch(plan, 0, 200)
    assert [f.rule for f in done.findings][:1] == ["reading-changes-nothing"]
    assert any("dpdes" in ops for ops in done.findings[0].operations)


def test_a_save_that_forgets_doorbells_is_found(monkeypatch):
    def get_nothing(vcpu):
        yield Write(vcpu.result, 0)

    monkeypatch.setattr(emu.explore.agents, "get_dpdes", get_nothing)
    plan = Plan(("power9",), None, properties=("events-leave-no-trace",), seed=1)
    done = do_batch(plan, 0, 300)
    assert [f.rule for f in done.findings][:1] == ["events-leave-no-trace"]


def test_a_reserved_type_that_sends_is_found(monkeypatch):
    def send_anything(vcpu, _first_id):
        for each in vcpu.kvm.vcpus:
            yield Write(each.doorbell_request, 1)

    monkeypatch.setattr(emu.hv.doorbell, "_msgsndp", send_anything)
    plan = Plan(("power9",), None, properties=("no-op-exact",), seed=1)
    done = do_batch(plan, 0, 200)
    assert [f.rule for f in done.findings][:1] == ["no-op-exact"]


def test_a_plan_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="a number of programs or a time"):
        campaign(Plan(("power9",), None), 1, silent)


def test_time_ends_a_campaign():
    plan = replace(Plan(("power9",), None), seconds=0.2)
    assert campaign(plan, 1, silent).programs >= BATCH
