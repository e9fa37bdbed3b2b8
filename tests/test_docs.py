"""The pages in docs/ say all that the tables hold, and nothing that they do not."""

from __future__ import annotations

import re
from pathlib import Path

from emu.asm.directives import DIRECTIVES
from emu.asm.inert import INERT
from emu.asm.macros import CLOSERS, OPENERS
from emu.explore.agents import AGENTS
from emu.explore.litmus.model import GhostKind
from emu.fuzz.programs import AGENTS as DRAWN_AGENTS
from emu.fuzz.programs import OPERATIONS
from emu.fuzz.properties import PROPERTIES
from emu.hv.event import Event
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS
from emu.hv.pseries import HANDLERS
from emu.hv.rtas import SERVICES

ROOT = Path(__file__).resolve().parents[1]
ASSEMBLER = (ROOT / "docs" / "assembler.md").read_text()


def test_the_assembler_page_names_exactly_the_directives_there_are():
    known = {*DIRECTIVES, *OPENERS, *CLOSERS} - {"="}
    rows = "\n".join(line for line in ASSEMBLER.splitlines() if line.startswith("| "))
    quoted = " ".join(re.findall(r"`([^`]*)`", rows))
    assert set(re.findall(r"\.[a-z0-9][a-z0-9_*]*(?:\.[a-z])?", quoted)) == known


def test_the_assembler_page_says_why_a_directive_has_no_effect():
    for name, reason in INERT.items():
        assert f"| `{name}` | {reason} |" in ASSEMBLER, name


def test_the_trace_page_names_every_event_that_host_code_traces():
    documented = (ROOT / "docs" / "trace.md").read_text()
    host_code = "".join(path.read_text() for path in (ROOT / "emu" / "hv").glob("*.py"))
    traced = [event for event in Event if f"Event.{event.name}" in host_code]
    assert traced
    for event in traced:
        assert f"`{event.tracepoint}`" in documented, event
        if event.case:
            assert f"`{event.case}`" in documented, event


def test_the_hypervisor_page_names_the_choices_and_files_there_are():
    page = (ROOT / "docs" / "hypervisor.md").read_text()
    for choice in (*THREAD_ASSIGNMENTS, *ENTRY_EXITS, *RUN_WHENS):
        assert f"`{choice}`" in page
    named = set(re.findall(r"`((?:emu/hv/|csrc/|guests/)?[a-z0-9_]+\.(?:py|c|s))", page))
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "emu" / "hv" / name).exists(), name


def test_the_pseries_page_names_exactly_the_rtas_services_there_are():
    documented = (ROOT / "docs" / "pseries.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (0x[0-9a-f]+) \|", documented, re.MULTILINE)
    assert rows == [(service.name, f"{service.token:#x}") for service in SERVICES]
    for hcall in HANDLERS:
        assert hcall in documented, hcall


def test_the_pseries_page_names_exactly_the_guests_in_c_there_are():
    documented = (ROOT / "docs" / "pseries.md").read_text()
    section = documented.split("## Guests in C")[1].split("##")[0]
    named = re.findall(r"^- `(\w+)`:", section, re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in (ROOT / "guests").glob("*.c"))


def test_the_fuzzing_page_has_the_tables_of_events_operations_and_properties():
    page = (ROOT / "docs" / "fuzzing.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE)
    events = [(name, AGENTS[name].summary) for name in DRAWN_AGENTS]
    operations = [(row.name, row.summary) for row in OPERATIONS.values()]
    assert rows == events + operations + [(row.name, row.sentence) for row in PROPERTIES.values()]


def test_the_properties_page_has_every_property_and_how_it_is_looked_for():
    page = (ROOT / "docs" / "properties.md").read_text()
    sections = re.findall(
        r"^## `([^`]+)`\n\n(.*?)\n\n(.*?)(?=\n\n|\n*\Z)", page, re.MULTILINE | re.DOTALL
    )
    found = [(name, *(" ".join(text.split()) for text in rest)) for name, *rest in sections]
    assert found == [
        (row.name, f"{row.sentence[0].upper()}{row.sentence[1:]}.", row.page)
        for row in PROPERTIES.values()
    ]


def test_the_properties_page_says_which_properties_are_asked_of_a_share_of_programs():
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| ([0-9]+) \|$",
        (ROOT / "docs" / "properties.md").read_text(),
        re.MULTILINE,
    )
    shares = {row.name: row.share for row in PROPERTIES.values() if row.share > 1}
    assert {name: int(share) for name, share in rows} == shares


def test_the_page_of_litmus_tests_names_every_agent_and_word_and_line_of_the_header():
    page = (ROOT / "docs" / "litmus.md").read_text()
    for agent in AGENTS.values():
        text = f"{agent.name}:N" if agent.takes_vcpu else agent.name
        assert f"| `{text}` | {agent.summary} |" in page
    for word in GhostKind:
        assert f"| `{word}(t" in page
    source = "".join(path.read_text() for path in (ROOT / "emu/explore/litmus").glob("*.py"))
    keys = set(re.findall(r'header(?:\.get\(|_word\()"([A-Z][A-Za-z]*)"', source))
    assert keys
    assert keys == set(re.findall(r"^\| `([A-Z][A-Za-z]*)=", page, re.MULTILINE))
