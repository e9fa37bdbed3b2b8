"""What tells defects apart: the same whatever program shows one, another for another."""

from __future__ import annotations

import itertools
from dataclasses import replace

from emu.explore.zoo import switched_on
from emu.fuzz.campaign import campaign
from emu.fuzz.plan import Chunk, Plan
from emu.fuzz.programs import Bounds, Op, Program
from emu.fuzz.signature import Deciding, signature
from emu.fuzz.worker import Worker

# With MSR[EE] = 1, thread 1 takes the doorbell of thread 0, whatever else it does.
PLAIN = Program(((Op("send", 1),), (Op("tir"),)), 2, (False, True))
BUSY = replace(PLAIN, threads=((Op("tir"), Op("send", 1)), (Op("tir"), Op("tir"))), little=True)
CEDE = Program(((Op("send", 1),), (Op("cede"),)), 2, (False, False))


def found(program, bug, host="power9", rule="no-lost-wakeup"):
    """The one finding in a program."""
    plan = Plan((host,), None, properties=(rule,), bugs=(bug,))
    (finding,) = Worker(plan).do(Chunk(0, host, 1, given=(program,))).findings
    return finding


def test_the_deciding_step_is_where_the_bug_is():
    assert Deciding("v", "Read", "kvmppc_fast_vcpu_kick_hv") in found(PLAIN, "lost-kick").deciding


def test_two_programs_that_show_one_bug_have_one_signature():
    assert found(PLAIN, "lost-kick").signature == found(BUSY, "lost-kick").signature


def test_another_bug_has_another():
    others = found(CEDE, "cede-ignores-doorbell")
    assert found(PLAIN, "lost-kick").signature != others.signature


def test_a_signature_can_be_found_again_from_the_case():
    finding = found(PLAIN, "lost-kick")
    with switched_on(["lost-kick"]):
        assert signature(finding.case) == finding.deciding


def test_a_campaign_tells_each_defect_once():
    plan = Plan(
        ("power9",), 40, properties=("no-lost-wakeup",), bugs=("lost-kick",),
        bounds=Bounds(smt=2, threads=2),
    )  # fmt: skip
    total = campaign(plan, lambda *_: None)
    assert len(total.findings) == 1
    assert total.repeats > 1


def test_the_schedule_of_a_finding_has_the_fewest_switches():
    schedule = found(BUSY, "lost-kick").case.schedule
    actors = [choice.actor for choice in schedule]
    switches = sum(a != b for a, b in itertools.pairwise(actors))
    assert switches <= 4


READ = Program(((Op("send", 1), Op("dpdes")), ()), 2, (False, False))
READ_LATER = Program(
    ((Op("load"),), (Op("tir"), Op("send", 0), Op("dpdes")), (), ()), 4, (False,) * 4
)


def test_what_is_missing_is_told_by_what_of_it_no_end_state_has():
    """Not by the numbers of threads and registers, and not by all that the program shows."""
    few, many = (
        found(program, "stale-dpdes-read", rule="pending-can-be-read")
        for program in (READ, READ_LATER)
    )
    read = Deciding("end", "mfspr DPDES", "0"), Deciding("end", "mfspr DPDES", "not 0")
    assert few.deciding == many.deciding == set(read)
    kept = Program(((Op("send", 0), Op("clear", 0)), ()), 2, (False, False))
    other = found(kept, "clear-of-the-wrong-doorbell", rule="reaches-architecture")
    assert other.deciding == {Deciding("end", "pend", "0")}


def test_an_invariant_is_told_by_the_step_that_breaks_it():
    programs = (
        Program(((Op("ipi", 1),), (Op("accept"),)), 2, (False, False)),
        Program(((Op("accept"), Op("tir")), (Op("ipi", 0), Op("cede"))), 2, (False, False)),
    )
    for program in programs:
        finding = found(program, "escalation-sets-prodded", rule="partition-safety")
        assert finding.deciding == {Deciding("v", "Write", "_icp_try_update")}
