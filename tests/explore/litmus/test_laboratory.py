"""Machines that are used again behave as new ones."""

from pathlib import Path

import pytest

from emu.errors import AssemblyError
from emu.explore.litmus import laboratory
from emu.explore.litmus.guest import build
from emu.explore.litmus.laboratory import MAX_SHAPES, Laboratory
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.search import Options

SUITE = Path(__file__).parents[3] / "guests" / "litmus"
# All of two threads on a core of two: one shape, used again and again.
NAMES = ["send-send", "prod-cede", "late-join", "signal-cede", "migrate-doorbell", "self-send",
         "external-cede", "send-cede", "ring-2", "upper-bits"]  # fmt: skip


def suite():
    return [load(SUITE / f"{name}.litmus") for name in NAMES]


def facts(result):
    seen = {str(outcome): outcome.count for outcome in result.outcomes}
    return seen, result.violations, result.states, result.transitions, result.cut


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_a_used_machine_gives_the_results_of_a_new_one(host):
    tests = [t for t in suite() if not t.hosts or host in t.hosts]
    assert len(tests) > 2
    used = Laboratory()
    for test in [*tests, *reversed(tests)]:
        again = run(test, Options(), host, laboratory=used)
        assert facts(again) == facts(run(test, Options(), host)), test.name


CEDE = "PPC T\n{h}\n{{ 0:r4=db(1); 1:r2=x }}\n P0 | P1 ;\n msgsndp r4 | cede ;\n | {l} ;\n{c}\n"


BARE = "PPC T\nSMT={smt}\n{{ 0:r4=db(1) }}\n P0 | P1 ;\n msgsndp r4 | nop ;\nexists (true)\n"


def cede(header, last="li r9,1"):
    shown = "handler doorbell { rfid }\nlocations [1:r9; taken(1)]\nexists (true)"
    return parse(CEDE.format(h=header, l=last, c=shown))


@pytest.mark.parametrize("header", ["Start=cold", "Endian=little", "EE=1,1"])
def test_what_a_header_changes_is_gone_for_the_next_test(header):
    used = Laboratory()
    for test in (cede("EE=0,0"), cede(header)) * 2:
        assert facts(run(test, Options(), laboratory=used)) == facts(run(test, Options()))


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_vcpus_on_another_core_of_the_host_do_what_they_do_on_the_first(host):
    test = load(SUITE / "prod-cede.litmus")
    first = facts(run(test, Options(), host))
    test.header["Core"] = "1"
    assert facts(run(test, Options(), host)) == first
    on = Laboratory().hosted(build(test), host)
    threads = len(on.cpus) // 2
    assert not any(on.words[cpu.thread.vcpu] for cpu in on.cpus[:threads])


def test_the_hypervisors_code_is_learned_once():
    used = Laboratory()
    host = used.hosted(build(cede("EE=0,0")), "power9")
    run(cede("EE=0,0"), Options(), laboratory=used)
    known = host.automaton.evaluations
    assert known > 0
    run(cede("EE=0,0", last="li r9,2"), Options(), laboratory=used)
    assert used.hosted(build(cede("EE=0,0")), "power9") is host
    assert host.automaton.evaluations == known


def test_it_keeps_the_machines_that_were_used_last(monkeypatch):
    monkeypatch.setattr(laboratory, "MAX_SHAPES", 2)
    assert MAX_SHAPES > 2
    used = Laboratory()
    guests = {smt: build(parse(BARE.format(smt=smt))) for smt in (2, 4, 8)}
    first = used.bare(guests[2])
    used.bare(guests[4])
    assert used.bare(guests[2]) is first
    fourth = used.bare(guests[4])
    used.bare(guests[8])  # and the one for 2 threads a core goes
    assert used.bare(guests[4]) is fourth
    assert used.bare(guests[2]) is not first


def test_a_line_that_does_not_assemble_is_shown_where_it_stands():
    with pytest.raises(LitmusError) as caught:
        build(cede("EE=0,0", last="li r9,70000"))
    text = str(caught.value)
    assert "<litmus>:6:" in text
    assert "70000 does not fit" in text
    assert not isinstance(caught.value, AssemblyError)


def test_equal_lines_at_different_places_branch_to_their_own_columns():
    text = """PPC T
{ 0:r2=x; 1:r2=x }
 P0          | P1          ;
 li r9,2     | li r9,2     ;
 1:          | nop         ;
 addi r8,r8,1 | 1:         ;
 cmpw r8,r9  | addi r8,r8,3 ;
 bne 1b      | cmpw r8,r9  ;
             | blt 1b      ;
exists (0:r8=2 /\\ 1:r8=3)
"""
    result = run(parse(text), Options())
    assert [str(outcome) for outcome in result.outcomes] == ["0:r8=2; 1:r8=3;"]
