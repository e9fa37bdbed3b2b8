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


def found(make, host, options):
    result = run(make(), replace(options, spurious=True), host)
    rules = {violation.rule for violation in result.violations}
    return result, ({str(outcome) for outcome in result.outcomes}, rules - {"livelock"})


def agree(drawn, host):
    agree_on(lambda: litmus(drawn), host)


def agree_on(make, host):
    whole, expected = found(make, host, Options(max_states=ENOUGH))
    if not whole.complete:
        return
    for options in (Options(ample=False), Options(algorithm=Algorithm.BFS)):
        assert found(make, host, options)[1] == expected, options
    for options in (Options(algorithm=Algorithm.DPOR, max_states=STEPS), Options(preemptions=2)):
        other, seen = found(make, host, options)
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


TWO_CLOCKS = """PPC T
SMT=1
EE=1
Timers=1
{ 0:r9=100; 1:r9=100; 0:r8=0x7fffffff; 1:r8=0x7fffffff; }
 P0       | P1       ;
 mtdec r9 | mtdec r9 ;
handler decrementer { mtdec r8; li r7,1; rfid }
locations [0:r7; 1:r7]
exists (true)
"""
PULLED_OUT = """PPC T
SMT=4
EE=1,0
Policy=entry_exit:count
{ }
 P0   | P1     ;
 cede | prod 1 ;
locations [blocked(0)]
exists (true)
"""
TAKEN_AWAY = """PPC T
SMT=2
{ 1:r4=db(0); }
 P0   | P1         ;
 cede | msgsndp r4 ;
      | prod 0     ;
handler doorbell { rfid }
locations [taken(0)]
exists (true)
"""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        pytest.param(TWO_CLOCKS, "power9", id="either of two decrementers lets time pass"),
        pytest.param(TWO_CLOCKS, "power8", id="and on power8"),
        pytest.param(PULLED_OUT, "power7", id="an HDEC that another sets ends a stay"),
        pytest.param(TAKEN_AWAY, "power9", id="a sleeper that either of two wakes"),
    ],
)
def test_who_can_be_woken_by_either_of_two_need_not_wait_for_both(text, host):
    agree_on(lambda: parse(text), host)
