from pathlib import Path

import pytest

from emu.errors import ConfigError
from emu.explore import agents
from emu.explore.agents import AGENTS, parse
from emu.explore.litmus.parse import parse as parse_test
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.search import Options, SearchRefusedError
from emu.hv.edit import Edit, applied
from emu.hv.plain import complaints_in


def test_agents_are_written_with_the_vcpu_that_they_need():
    assert parse("signal:1") == (AGENTS["signal"], 1)
    assert parse(" migrate ") == (AGENTS["migrate"], 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "there is no agent 'nobody'; agents are signal"),
        ("signal", "this agent is written signal:VCPU, got 'signal'"),
        ("migrate:1", "this agent is written migrate, got 'migrate:1'"),
        ("signal:x", "this agent is written signal:VCPU"),
    ],
)
def test_what_is_no_agent_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_agents_are_host_code_that_can_be_learned():
    assert complaints_in(Path(agents.__file__)) == []


def test_an_unknown_agent_is_a_diagnostic_and_an_absent_vcpu_is_refused():
    text = "PPC T\nAgent={}\n{{}}\n P0 ;\n nop ;\nexists true\n"
    with pytest.raises(LitmusError, match="there is no agent"):
        run(parse_test(text.format("nobody")), Options())
    with pytest.raises(ConfigError, match="names vcpu 5, which does not exist"):
        run(parse_test(text.format("signal:5")), Options())


PENDING = """PPC T
SMT=2
Agent={agent}
{{ 0:r4=db(1); }}
 P0         | P1 ;
 msgsndp r4 |    ;
handler doorbell {{ rfid }}
locations [taken(0); taken(1); pend(0); pend(1)]
forall (true)
"""


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize(
    "agent",
    ["migrate", "from-power8", "from-power9", "preempt:0", "preempt:1", "signal:1", "sync:1"],
)
def test_an_agent_that_passes_keeps_a_doorbell_for_whom_it_was(agent, host):
    result = run(parse_test(PENDING.format(agent=agent)), Options(max_states=1_000_000), host)
    assert result.complete
    assert not result.violations
    ends = [{str(o): value for o, value in end.state.items()} for end in result.outcomes]
    assert ends == [{"taken(0)": 0, "taken(1)": 0, "pend(0)": 0, "pend(1)": 1}]


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_the_host_takes_a_vcpu_out_of_the_guest_for_a_moment(host):
    text = "PPC T\n{}{{ }}\n P0 ;\n hcall H_IPI,1,4 ;\nforall (true)\n"
    left, plain = (
        run(parse_test(text.format(header)), Options(), host)
        for header in ("Agent=preempt:0\n", "")
    )
    assert left.complete
    assert not left.violations
    assert left.states > plain.states


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_vcpu_that_stays_in_userspace_is_owed_nothing(host):
    """Not even the doorbell that waits for it with MSR[EE] = 1."""
    text = PENDING.format(agent="stop:1").replace("SMT=2", "SMT=2\nEE=0,1")
    result = run(parse_test(text), Options(), host)
    assert result.complete
    assert not result.violations
    pending = [
        value for end in result.outcomes for o, value in end.state.items() if str(o) == "pend(1)"
    ]
    assert set(pending) == {0, 1}


SYNCED = """PPC T
SMT=1
Agent=sync:0
{ 0:r1=x; 0:r3=5; }
 P0           ;
 stw r3,0(r1) ;
 stw r3,4(r1) ;
locations [0:r3]
forall (0:r3=5)
"""


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_a_sync_reads_registers_and_writes_them_back(host):
    test = parse_test(SYNCED)
    assert not judge(run(test, Options(), host)).failures
    forgets = Edit(
        "emu.explore.agents:put_registers",
        "Copy(register, vcpu.copies[number])",
        "Write(register, 0)",
    )
    refused = pytest.raises(SearchRefusedError, match="left the code that was loaded")
    with applied([forgets]), refused:
        run(test, Options(), host)
