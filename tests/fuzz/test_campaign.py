"""Campaigns: the same wherever they are done, clean on healthy code, and able to find."""

from __future__ import annotations

from dataclasses import replace

import pytest

import emu.explore.agents
import emu.fuzz.examine
import emu.hv.cede
import emu.hv.doorbell
from emu.errors import ConfigError, ReplayError
from emu.explore.case import parse_case
from emu.explore.replay import replay
from emu.fuzz.campaign import campaign
from emu.fuzz.plan import CHUNK, Batch, Chunk, Plan
from emu.fuzz.programs import OPERATIONS, Bounds, Op, Program
from emu.fuzz.properties import PROPERTIES
from emu.fuzz.worker import Worker
from emu.hv.ops import Check, Write, nonzero

SMALL = Bounds(threads=2, smt=2)


def silent(_total, _elapsed):
    """Nobody listens."""


def done(plan, count=CHUNK):
    """One chunk of drawn programs."""
    return Worker(plan).do(Chunk(0, plan.hosts[0], count))


def until_found(properties):
    """A campaign that stops at its first finding."""
    plan = Plan(("power9",), 1000, properties=properties, seed=1, bounds=Bounds(threads=2))
    return campaign(plan, silent, first=True)


def test_every_operation_is_drawn_and_nothing_is_found():
    total = campaign(Plan(("power9",), 4 * CHUNK, bounds=SMALL), silent)
    assert set(total.operations) == set(OPERATIONS)
    assert (total.programs, total.refused, total.findings) == (4 * CHUNK, 0, [])


def test_a_chunk_has_one_host_and_a_campaign_all_of_them():
    plan = Plan(("power8", "power9"), 3 * CHUNK, properties=("no-lost-wakeup",), bounds=SMALL)
    assert {item.host for item in campaign(plan, silent).coverage} == {"power8", "power9"}


def test_what_a_worker_did_before_changes_no_result():
    plan = Plan(("power9",), None, bounds=SMALL)
    chunks = [Chunk(number, "power9", 10) for number in range(3)]
    old = Worker(plan)
    assert [old.do(chunk) for chunk in chunks] == [Worker(plan).do(chunk) for chunk in chunks]
    assert old.do(chunks[0]) == Worker(plan).do(chunks[0])


def test_programs_that_reach_more_are_kept_and_mutated():
    total = campaign(Plan(("power9",), 4 * CHUNK, bounds=SMALL), silent)
    assert 0 < len(total.kept) < total.programs
    assert total.mutants
    assert set().union(*(kept.items for kept in total.kept)) == total.coverage
    assert sum(len(kept.items) for kept in total.kept) == len(total.coverage)


def test_a_campaign_begins_with_the_programs_that_it_is_given():
    program = Program(((Op("cede"),), (Op("prod", 0),)), 2, (False, False))
    other = replace(program, smt=4)
    plan = Plan(("power9",), 1, bounds=SMALL)
    corpus = [("power9", program), ("power8", program), ("power9", other)]
    total = campaign(plan, silent, corpus=corpus)
    assert (total.programs, total.operations) == (1, {"cede": 1, "prod": 1})
    assert [kept.program for kept in total.kept] == [program]


def test_a_campaign_stops_at_the_first_finding_if_it_is_to(monkeypatch):
    monkeypatch.setattr(emu.hv.cede, "kvmppc_doorbell_pending", deaf)
    total = campaign(Plan(("power9",), 100 * CHUNK, seed=1), silent, first=True)
    assert total.findings
    assert total.programs <= 4 * CHUNK


def deaf(vcpu):
    """The predicate of the wait without its doorbell term."""
    pending: bool = yield Check(nonzero(vcpu.doorbell_request, 0))
    return pending


def test_a_cede_that_is_deaf_to_doorbells_is_found_and_replayed(monkeypatch):
    monkeypatch.setattr(emu.hv.cede, "kvmppc_doorbell_pending", deaf)
    batch = done(Plan(("power9",), None, seed=1), 100)
    found = [f for f in batch.findings if f.rule == "no-lost-wakeup"]
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
    batch = until_found(("no-lost-doorbell",))
    assert [f.rule for f in batch.findings][:1] == ["no-lost-doorbell"]


def test_a_read_that_consumes_is_found(monkeypatch):
    def read_and_forget(vcpu):
        yield Write(vcpu.result, 0)
        for each in vcpu.kvm.vcpus:
            yield Write(each.doorbell_request, 0)

    monkeypatch.setattr(emu.hv.doorbell, "kvmppc_read_dpdes", read_and_forget)
    batch = until_found(("reading-changes-nothing",))
    assert [f.rule for f in batch.findings][:1] == ["reading-changes-nothing"]
    assert any("dpdes" in ops for ops in batch.findings[0].operations)


def test_a_save_that_forgets_doorbells_is_found(monkeypatch):
    def get_nothing(vcpu):
        yield Write(vcpu.result, 0)

    monkeypatch.setattr(emu.explore.agents, "get_dpdes", get_nothing)
    batch = until_found(("events-leave-no-trace",))
    assert [f.rule for f in batch.findings][:1] == ["events-leave-no-trace"]


def test_a_reserved_type_that_sends_is_found(monkeypatch):
    def send_anything(vcpu, _first_id):
        for each in vcpu.kvm.vcpus:
            yield Write(each.doorbell_request, 1)

    monkeypatch.setattr(emu.hv.doorbell, "_msgsndp", send_anything)
    batch = until_found(("no-op-exact",))
    assert [f.rule for f in batch.findings][:1] == ["no-op-exact"]


def test_a_plan_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="a number of programs or a time"):
        campaign(Plan(("power9",), None), silent)


def test_time_ends_a_campaign():
    plan = replace(Plan(("power9",), None), seconds=1e-9)
    assert campaign(plan, silent).programs == CHUNK


def test_costly_properties_are_asked_of_a_share_of_programs_unless_they_are_named(monkeypatch):
    asked = []

    def judge(trial):
        asked.append(trial.program)

    row = replace(PROPERTIES["deterministic"], judge=judge, share=4)
    monkeypatch.setitem(PROPERTIES, "deterministic", row)
    plan = Plan(("power9",), None, bounds=SMALL)
    done(plan, 40)
    some = list(asked)
    assert 0 < len(some) < 25
    done(plan, 40)
    assert asked == some * 2
    asked.clear()
    done(replace(plan, properties=("deterministic",)), 40)
    assert len(asked) == 40


def test_a_third_doorbell_inside_a_handler_that_nests_comes_to_an_end():
    program = Program(
        ((Op("send", 0), Op("cede")), (Op("send", 0), Op("cede"))), 2, (False, False),
        handler_sends=True, handler_nests=True,
    )  # fmt: skip
    plan = Plan(("power9",), None, properties=("liveness",))
    assert Worker(plan).do(Chunk(0, "power9", 1, given=(program,))).findings == []


def lossy_program():
    """A program that loses a doorbell with the bug `tag-ignored`."""
    return Program(((Op("tir"), Op("send", 1)), (Op("load"),)), 2, (False, False))


@pytest.mark.parametrize("fitting", [0, 1])
def test_a_breach_that_cannot_be_replayed_ends_no_campaign(fitting, monkeypatch):
    """As drawn perhaps it can (the second case that is made); else it is told with its program."""
    made = []
    make = emu.fuzz.examine.case_of

    def case_of(*arguments):
        made.append(arguments)
        if len(made) <= 1 or not fitting:
            raise ReplayError("the schedule does not fit")
        return make(*arguments)

    monkeypatch.setattr(emu.fuzz.examine, "case_of", case_of)
    plan = Plan(("power9",), None, properties=("no-lost-doorbell",), bugs=("tag-ignored",))
    batch = Worker(plan).do(Chunk(0, "power9", 1, given=(lossy_program(),)))
    assert len(made) > 1
    if fitting:
        (finding,) = batch.findings
        assert finding.operations == (("tir", "send"), ("load",))
        assert not batch.unreplayed
    else:
        (found,) = batch.unreplayed
        assert (found.rule, found.host) == ("no-lost-doorbell", "power9")
        assert "the schedule does not fit; the program is Program(" in found.what
        total = Batch()
        for _ in range(20):
            total.add(batch)
        assert len(total.unreplayed) == 10
