from dataclasses import replace

import pytest

from emu.asm import assemble
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run, search_options
from emu.explore.litmus.stage import prepare
from emu.explore.liveness import EVERYTHING, register_bit, with_dead
from emu.explore.points import END, classify
from emu.explore.search import Algorithm, Options

BASE = 0x1000


def dead_at(source, handlers=(), **watched):
    """The names of what is dead before each instruction; the last one is the thread's end."""
    program = assemble(source, text_base=BASE)
    (segment,) = program.segments
    words = {
        BASE + i: int.from_bytes(segment.data[i : i + 4], "big")
        for i in range(0, len(segment.data), 4)
    }
    points = {a: classify(w) for a, w in words.items()}
    points[max(words)] = END
    mask = sum(1 << register_bit(name) for name in watched)
    done = with_dead(points, words, handlers, dict.fromkeys(words, mask))
    names = [f"r{n}" for n in range(32)] + ["cr", "xer", "lr", "ctr"]
    return [
        {name for name in names if done[a].dead >> register_bit(name) & 1} for a in sorted(words)
    ]


def test_what_was_read_for_the_last_time_is_dead():
    assert dead_at("stw 4,0(5); lwz 9,0(5); sync; b .") == [
        {"r9"}, {"r4", "r9"}, {"r4", "r5", "r9"}, {"r4", "r5", "r9"},
    ]  # fmt: skip


def test_what_is_looked_at_never_dies():
    assert all("r9" not in dead for dead in dead_at("lwz 9,0(5); nop; b .", r9=True))


def test_what_is_about_to_be_written_is_dead_unless_it_is_read_first():
    assert "r9" in dead_at("nop; li 9,1; stw 9,0(5); b .")[0]
    assert "r9" not in dead_at("nop; addi 9,9,1; stw 9,0(5); b .")[0]


def test_a_base_that_is_updated_is_read():
    assert "r5" not in dead_at("nop; lwzu 9,4(5); b .")[0]


def test_a_rotated_field_that_is_inserted_keeps_the_rest():
    assert "r9" not in dead_at("nop; rlwimi 9,4,0,0,15; stw 9,0(5); b .")[0]


def test_a_loop_keeps_what_its_next_round_reads():
    first, *_, last = dead_at("stw 4,0(5); cmpwi 6,1; bne .-8; nop; b .")
    assert first.isdisjoint({"r4", "r5", "r6"})
    assert {"r4", "r5", "r6", "cr"} <= last


def test_a_flag_is_dead_when_no_branch_looks_at_it_any_more():
    dead = dead_at("cmpwi 6,1; beq .+8; nop; b .")
    assert "cr" not in dead[1]
    assert "cr" in dead[2]


def test_an_indirect_branch_may_lead_to_any_reader():
    assert "r9" not in dead_at("lwz 9,0(5); bctr; b .")[1]


def test_an_hcall_reads_its_arguments():
    dead = dead_at("li 4,1; sc 1; nop; b .")
    assert dead[1].isdisjoint({f"r{n}" for n in range(3, 13)})
    assert "r4" in dead[2]


def test_what_a_handler_touches_is_never_dead_and_nothing_dies_in_it():
    source = "lwz 9,0(5); stw 9,0(6); nop; rfid; b ."
    handler = [BASE + 8, BASE + 12]
    assert dead_at(source, handler)[2] == set()
    touching = "lwz 9,0(5); stw 9,0(6); mr 9,9; rfid; b ."
    assert all("r9" not in dead for dead in dead_at(touching, handler))


def test_with_a_handler_that_moves_its_return_address_nothing_is_dead():
    source = "lwz 9,0(5); nop; mtspr 26,3; rfid; b ."
    assert dead_at(source, [BASE + 8, BASE + 12]) == [set()] * 5


def test_an_unknown_word_reads_everything():
    dead = dead_at("lwz 9,0(5); .long 0x04000000; b .")
    assert dead[1] == set()
    assert EVERYTHING >> 36 == 0


MESSAGE = """PPC message
{ 0:r2=x; 0:r4=y; 1:r2=x; 1:r4=y; }
 P0           | P1            ;
 li r1,1      | lwz r7,0(r4)  ;
 stw r1,0(r2) | lwz r8,0(r2)  ;
 lwz r9,0(r4) | cmpw r7,r8    ;
 stw r1,0(r4) | beq L         ;
 lwz r9,0(r2) | addi r10,r8,4 ;
 stw r9,0(r4) | L:            ;
              | lwz r8,0(r2)  ;
exists (1:r7=1)
"""


def outcomes(test, options):
    stage = prepare(build(test), options, "power8")
    ended = stage.search.run()
    return {found.values for found in ended.outcomes}, ended.facts.states


@pytest.mark.parametrize("shown", ["", "locations [1:r8; 1:cr;]\n", "locations [1:r10; 0:r9;]\n"])
@pytest.mark.parametrize("algorithm", [Algorithm.DFS, Algorithm.BFS])
def test_outcomes_are_those_with_every_register_kept(shown, algorithm):
    test = parse(MESSAGE.replace("exists", shown + "exists"))
    options = replace(search_options(test, Options(algorithm=algorithm)), ample=False)
    kept, states = outcomes(test, options)
    buried, fewer = outcomes(test, replace(options, dead=True))
    assert buried == kept
    assert fewer < states or shown


def test_a_search_takes_states_for_one_that_differ_in_dead_registers():
    program = parse(MESSAGE)
    result = run(program, Options(ample=False), "power8")
    _, states = outcomes(program, replace(search_options(program, Options()), ample=False))
    assert result.states < states
