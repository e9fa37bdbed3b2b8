"""Programs: what their operations do on every host, and what they are written out as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emu.explore.litmus.model import Ghost, GhostKind, Location, Register
from emu.explore.litmus.run import run
from emu.explore.search import Options
from emu.fuzz.lowering import UNREAD, litmus
from emu.fuzz.programs import AGENTS, Bounds, Op, Program, smaller
from emu.fuzz.strategies import drawn

PAGE = Path(__file__).parents[2] / "docs" / "fuzzing.md"
PROGRAM_INTERRUPT = 0x700
DOORBELL_HOSTS = ("power8", "power9")


def alone(*ops, ee=False, smt=2, others=1, host="power9", **settings):
    """Return the end states of thread 0 doing something, with others that do nothing."""
    threads = (tuple(Op(*op) for op in ops), *[()] * others)
    program = Program(threads, smt, (ee,) * len(threads), **settings)
    result = run(litmus(program, host), Options(), host)
    assert result.complete
    assert not result.violations
    return [outcome.state for outcome in result.outcomes]


def taken(thread):
    return Ghost(GhostKind.TAKEN, thread)


def pend(thread):
    return Ghost(GhostKind.PEND, thread)


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
@pytest.mark.parametrize("name", ["send", "send_upper", "send_payload"])
def test_a_send_sets_the_doorbell_of_its_target(host, name):
    states = alone((name, 1), host=host)
    assert {(s[taken(1)], s[pend(1)]) for s in states} == {(0, 1)}


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
@pytest.mark.parametrize("op", [("bad_type", 10), ("bad_tag", 2), ("user_send", 1)])
def test_sends_that_must_not_send_do_not(host, op):
    assert {(s[taken(1)], s[pend(1)]) for s in alone(op, host=host)} == {(0, 0)}


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
@pytest.mark.parametrize(
    ("op", "pending"), [(("clear", 1), 0), (("bad_clear", 4), 1), (("user_clear", 0), 0)]
)
def test_only_a_clear_clears(host, op, pending):
    """In problem state MSR[EE] is 1, so there the doorbell is taken."""
    states = alone(("send", 0), op, host=host)
    assert pending in {s[pend(0)] for s in states}
    assert {s[taken(0)] for s in states} == {int(op[0] == "user_clear")}


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
def test_problem_state_reads_nothing_and_is_interrupted(host):
    (state,) = alone(("user_tir",), ("user_dpdes",), host=host)
    assert state[Register(0, "r6")] == state[Register(0, "r7")] == UNREAD
    assert state[Ghost(GhostKind.TRAP, 0, PROGRAM_INTERRUPT)] == 2


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
def test_doorbells_are_counted(host):
    states = alone(("taken",), ("send", 0), ("ee", 1), ("ee", 0), ("taken",), host=host)
    assert {s[Register(0, "r6")] for s in states} == {0}
    assert {s[Register(0, "r10")] for s in states} >= {1}


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
def test_a_handler_answers_once(host):
    program = Program(((Op("send", 1), Op("send", 1)), ()), 2, (True, True), handler_sends=True)
    result = run(litmus(program, host), Options(), host)
    states = [outcome.state for outcome in result.outcomes]
    # Thread 1 answers its first doorbell, thread 0 answers that answer.
    assert {s[taken(0)] for s in states} == {1}
    assert max(s[taken(1)] for s in states) == 3


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
def test_a_handler_that_nests_lets_others_in(host):
    sends = (Op("send", 1), Op("send", 1))
    program = Program((sends, ()), 2, (False, True), handler_nests=True, agents=("external:1",))
    if host == "power8":
        program = Program((sends, ()), 2, (False, True), handler_nests=True)
    result = run(litmus(program, host), Options(), host)
    assert result.complete
    assert not result.violations
    assert {s.state[taken(1)] for s in result.outcomes} >= {1, 2}


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_a_conditional_store_needs_its_reservation(host):
    (state,) = alone(("conditional", 0), ("reserve", 0), ("conditional", 0), host=host)
    assert [state[Register(0, f"r{n}")] for n in (6, 8)] == [0, 1]
    assert state[Location("x")] == 2


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_an_asserted_line_interrupts_once_and_leaves_ee_off(host):
    states = alone(("ee", 1), host=host, agents=("external:0",))
    assert {s[Register(0, "r21")] for s in states} == {1}


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_an_ipi_is_taken_once_and_a_decrementer_runs_out_once(host):
    ipi = Program(((Op("ipi", 1), Op("ipi", 1)), (Op("accept"), Op("cede"))), 2, (False, False))
    result = run(litmus(ipi, host), Options(), host)
    assert {o.state[Register(1, "r21")] for o in result.outcomes} == {1}
    states = alone(("timer",), ("cede",), host=host)
    assert {s[Register(0, "r27")] for s in states} == {1}


def test_a_line_and_the_interrupt_controller_are_not_in_one_program():
    program = Program(((Op("ipi", 0),),), 1, (False,), agents=("signal:0", "external:0"))
    assert program.events() == ("signal:0",)
    assert litmus(program, "power9").header["Agent"] == "signal:0"


def test_what_is_smaller_is_less():
    for program in drawn("power9", Bounds(), 5, 40):
        for other in smaller(program):
            assert other != program
            assert sum(map(len, other.threads)) <= sum(map(len, program.threads))


def test_a_finding_keeps_none_but_the_threads_that_it_needs():
    idle: tuple[Op, ...] = ()
    sender = (Op("send", 3), Op("prod", 7))
    program = Program(
        (idle, idle, idle, idle, sender, idle, idle, (Op("cede"),)), 4, (False,) * 7 + (True,),
        agents=("migrate", "signal:7"),
    )  # fmt: skip

    def fails(other):
        """A thread that is signalled cedes with EE on, and is sent a doorbell and prodded."""
        named = [int(agent.partition(":")[2]) for agent in other.agents if ":" in agent]
        return any(
            other.ee[of]
            and Op("cede") in other.threads[of]
            and Op("prod", of) in (ops := [op for _, _, op in other.operations()])
            and any(other.target(i, op) == of for i, _, op in other.operations())
            and len(ops) > 1
            for of in named
        )

    assert fails(program)
    while (less := next(filter(fails, smaller(program)), None)) is not None:
        program = less
    assert program == Program(
        ((Op("send", 1), Op("prod", 1)), (Op("cede"),)), 2, (False, True), agents=("signal:1",)
    )


def test_the_manual_names_every_agent():
    page = PAGE.read_text()
    assert all(f"`{agent}`" in page for agent in AGENTS)


def test_a_thread_may_be_stopped_before_it_comes_to_its_end():
    for host in DOORBELL_HOSTS:
        states = alone(("store", 0), ("send", 1), ("store", 1), host=host, agents=("stop:0",))
        ends = {(s[Location("x")], s[pend(1)], s[Location("y")]) for s in states}
        assert ends <= {(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)}
        assert {pending for _, pending, _ in ends} == {0, 1}


SPINNING = {
    "spin": Program(((Op("spin", 0),), (Op("store", 0),)), 2, (False, False)),
    "spin_taken": Program(((Op("spin_taken"),), (Op("send", 0),)), 2, (True, False)),
}
FOR_EVER = {
    "spin": Program(((Op("spin", 0),), (Op("store", 1),)), 2, (False, False)),
    "spin_taken": Program(((Op("spin_taken"),), (Op("send", 0),)), 2, (False, False)),
}


@pytest.mark.parametrize("host", DOORBELL_HOSTS)
@pytest.mark.parametrize("name", SPINNING)
def test_a_loop_that_must_end_does_and_another_may_go_round_for_ever(name, host):
    result = run(litmus(SPINNING[name], host), Options(), host)
    assert result.complete
    assert not result.violations
    assert len(result.outcomes) == 1
    result = run(litmus(FOR_EVER[name], host), Options(), host)
    assert result.complete
    assert not result.violations
    assert not result.outcomes


def test_a_loop_that_must_end_and_does_not_is_a_breach():
    """POWER8 does not lose the store; a vcpu that is stopped before it never makes it."""
    stopped = replace(SPINNING["spin"], agents=("stop:1",))
    assert litmus(stopped, "power9").header["Livelock"] == "allowed"
    judged = litmus(stopped, "power9")
    del judged.header["Livelock"]
    assert [v.rule for v in run(judged, Options(), "power9").violations] == ["livelock"]
