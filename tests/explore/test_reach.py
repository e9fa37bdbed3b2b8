"""What a search says it went through: host code, exits, and words of the guest's code."""

from emu.core.machine import Exit
from emu.explore.litmus.guest import CODE, build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import search_options
from emu.explore.litmus.stage import prepare
from emu.explore.search import Options, Search

BRANCHING = """PPC branching
{ 0:r4=x; 1:r4=x; 0:r6=1 }
 P0           | P1           ;
 cmpwi r6,1   | lwz r6,0(r4) ;
 beq end      |              ;
 stw r6,0(r4) |              ;
 end: nop     |              ;
locations [1:r6;]
exists (1:r6=0)
"""

DOORBELL = """PPC doorbell
SMT=2
EE=0,1
{ 0:r4=db(1) }
 P0         | P1   ;
 msgsndp r4 | cede ;
handler doorbell { rfid }
exists (taken(1)=1)
"""


def searched(text, host):
    """A stage whose search is over."""
    test = parse(text)
    stage = prepare(build(test), search_options(test, Options()), host)
    stage.search.run()
    return stage


def test_a_word_that_no_interleaving_executes_is_not_executed():
    search = searched(BRANCHING, "power9").search
    assert search.executed(CODE, 4) == bytes([1, 1, 0, 1])


def test_where_there_is_no_code_nothing_is_executed():
    search = searched(BRANCHING, "power9").search
    assert search.executed(0x3000, 3) == bytes(3)
    assert search.executed(CODE + 2, 3) == bytes(3)  # not where words are


def test_a_guest_that_nothing_leaves_has_no_exits():
    assert searched(BRANCHING, "power9").search.exits == frozenset()


def test_exits_are_those_of_the_host():
    assert searched(DOORBELL, "power9").search.exits == {
        Exit.HCALL, Exit.HFAC_UNAVAIL, Exit.H_DOORBELL,
    }  # fmt: skip
    assert Exit.HFAC_UNAVAIL not in searched(DOORBELL, "power8").search.exits


def test_host_code_is_reached_where_the_program_needs_it():
    def functions(text):
        stage = searched(text, "power9")
        automaton = stage.host.automaton
        nodes = stage.search.reached(len(automaton) + 1)
        return {
            step.function for node, on in enumerate(nodes) if on for step in automaton.chain(node)
        }

    with_send = functions(DOORBELL)
    without = functions(DOORBELL.replace("msgsndp r4", "nop       "))
    assert "_msgsndp" in with_send
    assert "_msgsndp" not in without
    assert "kvmppc_cede" in without


def test_nodes_beyond_those_that_were_reached_are_not():
    stage = searched(DOORBELL, "power9")
    count = len(stage.host.automaton) + 1
    assert stage.search.reached(count + 5000)[count:] == bytes(5000)


def test_interrupts_are_those_of_this_search():
    stage = searched(DOORBELL, "power9")
    assert stage.search.interrupted(0xA00)
    assert not stage.search.interrupted(0x500)
    assert not stage.search.interrupted(0x100000)
    again = Search(stage.host.machine, Options(), stage.host.engine, stage.host.automaton.expand)
    assert not again.interrupted(0xA00)
