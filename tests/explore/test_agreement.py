"""The exhaustive searches are independent of each other, and find the same where they finish."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.search import Algorithm, Options

ENOUGH = 30_000  # states of a program that is compared
STEPS = 300_000  # of dpor
OPERATIONS = {
    "send": "msgsndp r4",
    "clear": "msgclrp r4",
    "read": "mfspr r{0},DPDES",
    "tir": "mfspr r{0},TIR",
    "cede": "cede",
    "prod": "prod {other}",
    "open": "ee 1",
    "close": "ee 0",
    "store": "stw r9,0(r1)",
    "load": "lwz r{0},0(r1)",
    "reserve": "lwarx r{0},0,r1",
    "conditional": "stwcx. r9,0,r1",
    "own": "stw r9,0(r2)",
}
BARE = ("send", "clear", "read", "open", "close", "store", "load", "reserve", "conditional", "own")
SPINS = ("await", *BARE)


def programs(names, longest):
    threads = st.lists(st.sampled_from(names), min_size=1, max_size=longest)
    return st.tuples(threads, threads)


def litmus(drawn):
    """Thread t sends to the other; reads go to r10, r11, ...; a handler stores that it ran."""
    cells = []
    for thread, names in enumerate(drawn):
        column = []
        for number, name in enumerate(names):
            if name == "await":
                column += [f"l{number}: lwz r7,0(r1)", "cmpwi r7,0", f"beq l{number}"]
            else:
                column.append(OPERATIONS[name].format(10 + number, other=1 - thread))
        cells.append(column)
    height = max(map(len, cells))
    rows = "".join(
        f" {' | '.join(row)} ;\n"
        for row in zip(*[c + [""] * (height - len(c)) for c in cells], strict=True)
    )
    initial = " ".join(
        f"{t}:r1=x; {t}:r2={'yz'[t]}; {t}:r4=db({1 - t}); {t}:r9={t + 1};" for t in (0, 1)
    )
    shown = [f"{t}:r{10 + i}" for t, names in enumerate(drawn) for i in range(len(names))]
    return parse(
        f"PPC T\nSMT=2\n{{ {initial} }}\n P0 | P1 ;\n{rows}"
        "handler doorbell { stw r9,0(r2); rfid }\n"
        f"locations [{'; '.join([*shown, 'x', 'y', 'z', 'taken(0)', 'taken(1)'])};]\n"
        "exists (true)\n"
    )


def found(drawn, host, options):
    result = run(litmus(drawn), replace(options, spurious=True), host)
    rules = {violation.rule for violation in result.violations}
    return result, ({str(outcome) for outcome in result.outcomes}, rules - {"livelock"})


def agree(drawn, host):
    whole, expected = found(drawn, host, Options(max_states=ENOUGH))
    if not whole.complete:
        return
    for options in (Options(ample=False), Options(algorithm=Algorithm.BFS)):
        assert found(drawn, host, options)[1] == expected, options
    for options in (Options(algorithm=Algorithm.DPOR, max_states=STEPS), Options(preemptions=2)):
        other, seen = found(drawn, host, options)
        assert seen[0] <= expected[0], options
        assert seen[1] <= expected[1], options
        if other.complete:
            assert seen == expected, options


@settings(max_examples=60, deadline=None)
@given(programs(BARE, 4))
def test_searches_agree_on_a_machine_without_a_hypervisor(drawn):
    agree(drawn, "power8")


@settings(max_examples=60, deadline=None)
@given(programs(SPINS, 3))
def test_searches_agree_on_programs_that_spin(drawn):
    agree(drawn, "power8")


@pytest.mark.parametrize("host", ["power8", "power9"])
@settings(max_examples=12, deadline=None)
@given(drawn=programs(tuple(OPERATIONS), 2))
def test_searches_agree_on_the_hypervisors_code(host, drawn):
    agree(drawn, host)


def test_a_message_arrives_at_the_latest_when_its_sender_leaves_the_guest():
    """So leaving is no step that commutes with what the other thread sees of its doorbell."""
    agree((["read"], ["send", "cede"]), "power8")
