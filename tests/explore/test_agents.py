from pathlib import Path

import pytest

from emu.errors import ConfigError
from emu.explore import agents
from emu.explore.agents import AGENTS, parse
from emu.explore.litmus.parse import parse as parse_test
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.search import Options
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
