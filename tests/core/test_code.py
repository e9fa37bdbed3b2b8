"""Decoded instructions always are what memory holds."""

from __future__ import annotations

import random

import pytest

from emu.core.machine import Exit, Machine
from emu.isa.table import encode

from .guest import FACILITIES, LE, ME, MEMORY, SF, Guest

LI_R3 = 0x38600000


@pytest.mark.parametrize("between", ["", "dcbst 0,9\n sync\n icbi 0,9\n isync\n"])
@pytest.mark.parametrize("distance", range(8))
def test_a_store_changes_the_instruction_that_it_hits(between, distance):
    text = f"stw 4,0(9)\n {between}" + "nop\n" * distance + "target: li 3,1\n sc 1"
    g = Guest(text, r4=LI_R3 | 2, r9=0x10000)
    g.v.gpr[9] = g.at("target")
    assert g.finish().r(3) == 2


def test_code_may_be_rewritten_again_and_again():
    text = (
        "_start: li 6,100\n mtctr 6\n1: addi 4,4,1\n stw 4,0(9)\n add 5,5,3\n"
        "target: li 3,0\n bdnz 1b\n sc 1"
    )
    g = Guest(text, r4=LI_R3, r9=0)
    g.v.gpr[9] = g.at("target")
    g.finish()
    assert (g.r(3), g.r(5)) == (100, sum(range(100)))


def test_a_store_may_turn_an_instruction_into_a_branch_and_back():
    text = """
    _start: li 6,10
            mtctr 6
    1:      stw 4,0(9)
            nop
            nop
    target: nop
            addi 3,3,1
    2:      xor 4,4,5
            bdnz 1b
            sc 1
    """
    branch = encode("b", [8])
    nop = 0x60000000
    for quantum in (1, 3, 7, 1000):
        g = Guest(text, r4=branch, r5=branch ^ nop)
        g.v.gpr[9] = g.at("target")
        while g.run(quantum) is Exit.BUDGET:
            pass
        assert (g.r(3), g.v.ic) == (5, 2 + 10 * 7 - 5 + 1)


def test_another_vcpus_store_is_seen():
    g = Guest("1: b 1b\nother: stw 4,0(9)\n sc 1", nvcpus=2, r4=LI_R3 | 9, r9=0x10000)
    g.run(50)
    g.machine.vcpu[1].nia = g.at("other")
    g.finish(thread=1)
    g.run(1)
    assert g.r(3) == 9


def test_a_write_from_outside_is_seen():
    g = Guest("1: b 1b\n")
    g.run(50)
    g.machine.write(0, 0x10000, (LI_R3 | 9).to_bytes(4, "big"))
    g.run(1)
    assert g.r(3) == 9


def test_a_store_of_one_byte_is_enough():
    g = Guest("stb 4,3(9)\ntarget: li 3,1\n sc 1", r4=7, r9=0x10004)
    assert g.finish().r(3) == 7


def test_dcbz_clears_code():
    g = Guest("1: dcbz 0,9\n b 2f\n.org 0x10100\n2: li 3,1\n sc 1", r9=0x10100)
    g.machine.write(0, 0x10100, bytes(128))
    g.run(1)
    assert g.run() is Exit.EMUL_ASSIST


def test_the_same_page_can_be_run_in_both_byte_orders():
    g = Guest("li 3,1\n sc 1")
    little = Guest(".org 0x10010\n_start: li 4,1\n sc 1", little=True)
    g.machine.write(0, 0x10010, little.machine.read(0, 0x10010, 8))
    for _ in range(3):
        g.v.nia, g.v.msr = 0x10000, SF | ME
        g.finish()
        g.v.nia, g.v.msr = 0x10010, SF | ME | LE
        g.finish()
    assert (g.r(3), g.r(4)) == (1, 1)
    g.machine.write(0, 0x10012, b"\x80")  # li 4 becomes li 4 of something else in both orders
    g.v.nia, g.v.msr = 0x10010, SF | ME | LE
    g.finish()


def test_running_across_a_page_boundary_goes_on():
    g = Guest(".org 0x10ff8\n_start: li 3,1\n li 4,2\n li 5,3\n sc 1").finish()
    assert [g.r(n) for n in (3, 4, 5)] == [1, 2, 3]


def test_a_run_as_long_as_a_page_is_counted_right():
    g = Guest(".org 0x10000\n_start:\n" + "addi 3,3,1\n" * 3000 + "sc 1")
    for n in (1, 1023, 1, 1024, 5):
        g.run(n)
    assert g.r(3) == g.v.ic == 2054


@pytest.mark.parametrize("seed", range(8))
def test_code_that_writes_over_itself_at_random_runs_the_same_in_any_slice(seed):
    """Stores of instructions into the instructions around them, by single steps and in slices."""
    rng = random.Random(seed)
    pool = [
        encode("addi", [3, 3, 1]), encode("add", [4, 4, 3]), encode("b", [8]), encode("nop", []),
        encode("bdnz", [-8]), encode("bdnz", [-24]), encode("xor", [5, 4, 3]),
        *(encode("stw", [reg, 4 * rng.randrange(64), 9]) for reg in range(16, 24) for _ in "ab"),
    ]  # fmt: skip
    words = [rng.choice(pool) for _ in range(64)]
    words += [encode("b", [-256])]

    def make():
        machine = Machine()
        machine.new_memory(0, 0x20000)
        machine.write(0, 0x10000, b"".join(word.to_bytes(4, "big") for word in words))
        vcpu, thread = machine.vcpu[0], machine.thread[0]
        thread.vcpu, thread.hfscr = 1, FACILITIES
        vcpu.nia, vcpu.msr, vcpu.gpr[9], vcpu.ctr = 0x10000, SF | ME, 0x10000, 1 << 30
        for reg in range(16, 24):
            vcpu.gpr[reg] = pool[reg % 7]
        return machine

    single, sliced = make(), make()
    for _ in range(200):
        n = rng.randrange(1, 60)
        reason = next((r for r in (single.run(0, 1) for _ in range(n)) if r), Exit.BUDGET)
        assert sliced.run(0, n) is reason
        assert sliced.words == single.words
        if reason is not Exit.BUDGET:
            break  # it has written over the branch at its end
    assert sliced.memory(0) == single.memory(0)


def test_more_code_pages_than_are_kept_is_no_trouble():
    pages = 4200
    g = Guest("sc 1", memory=(pages + 32) << 12)
    step = encode("b", [4096]).to_bytes(4, "big")
    for n in range(pages):
        g.machine.write(0, 0x10000 + 4096 * n, step)
    g.machine.write(
        0, 0x10000 + 4096 * (pages - 1), encode("b", [-4096 * (pages - 1)]).to_bytes(4, "big")
    )
    assert g.run(3 * pages) is Exit.BUDGET
    assert g.v.nia == 0x10000


# ---- where debuggers stop


def test_a_breakpoint_stops_before_its_instruction_until_the_vcpu_passes_it():
    g = Guest("li 3,1\nhere: addi 3,3,1\n b here")
    g.machine.breakpoint(0, g.at("here"), True)
    for n in range(1, 5):
        for _ in range(2):
            assert g.run() is Exit.BREAKPOINT
            assert (g.v.nia, g.r(3)) == (g.at("here"), n)
        g.v.passing = g.v.nia + 1
    g.machine.breakpoint(0, g.at("here"), False)
    assert g.run() is Exit.BUDGET


@pytest.mark.parametrize("budget", range(1, 12))
def test_breakpoints_and_budgets_do_not_disturb_each_other(budget):
    g, free = (Guest("1: addi 3,3,1\n nop\nhere: nop\n nop\n b 1b") for _ in range(2))
    g.machine.breakpoint(0, g.at("here"), True)
    for _ in range(20):
        left = budget
        while left:
            before = g.v.ic
            reason = g.run(left)
            left -= g.v.ic - before
            if reason is Exit.BREAKPOINT:
                assert g.v.nia == g.at("here")
                g.v.passing = g.v.nia + 1
            else:
                assert reason is Exit.BUDGET
        free.run(budget)
        assert (g.v.nia, g.r(3), g.v.ic) == (free.v.nia, free.r(3), free.v.ic)


def test_a_breakpoint_survives_a_store_over_it():
    g = Guest("here: nop\n b here")
    g.machine.breakpoint(0, g.at("here") + 4, True)
    g.machine.write(0, g.at("here") + 4, (0x60000000).to_bytes(4, "big"))
    assert g.run() is Exit.BREAKPOINT


def test_memory_ends_where_it_ends():
    assert Guest("nop").machine.memory_size(0) == MEMORY
