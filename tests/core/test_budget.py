"""Budgets are exact: a run in slices of any length is the same run."""

from __future__ import annotations

import random

import pytest

from emu.core.machine import Exit

from .guest import EE, ME, SF, Guest, with_vectors

# Loops, calls, a table jump, traps, a decrementer handler, and a loop that rewrites itself.
BUSY = """
        .org 0x700
        mfspr 31,26
        addi 31,31,4
        mtspr 26,31
        rfid
        .org 0x900
        addi 30,30,1
        li 31,41
        mtspr 22,31
        rfid
        .org 0x10000
_start: li 31,23
        mtspr 22,31
        li 5,40
        mtctr 5
        lis 9,patched@h
        ori 9,9,patched@l
        lwz 10,0(9)
1:      addi 6,6,3
        xor 7,6,5
        bl 3f
        andi. 8,6,4
        beq 2f
        addi 10,10,1
        stw 10,0(9)
patched: addi 11,11,0
        tdi 4,11,7
2:      add 12,12,11
        mftb 13
        add 14,14,13
        bdnz 1b
        nop
        nop
        sc 1
3:      mflr 15
        stdu 15,-8(1)
        mr 16,15
        nop
        blr
"""


def start(text, **options):
    return Guest(text, msr=SF | ME | EE, r1=0x80000, **options)


def everything(guest):
    return [*guest.machine.words], bytes(guest.machine.memory(0))


@pytest.mark.parametrize(
    "text", [BUSY, ".org 0x900\n rfid\n" + with_vectors("b .")], ids=["busy", "spin"]
)
@pytest.mark.parametrize("quantum", [*range(1, 30), 64, 100, 999])
def test_a_run_in_slices_is_the_same_run(text, quantum):
    whole, sliced = start(text), start(text)
    end = whole.run(3000)
    left = 3000
    reason = Exit.BUDGET
    while left and reason is Exit.BUDGET:
        before = sliced.v.ic
        reason = sliced.run(min(quantum, left))
        done = sliced.v.ic - before
        assert reason is not Exit.BUDGET or done == min(quantum, left)
        left -= done
    assert reason is end
    assert everything(sliced) == everything(whole)


def test_random_slices_stop_where_single_steps_do():
    rng = random.Random(1)
    steps, sliced = start(BUSY), start(BUSY)
    trail = []
    for _ in range(600):
        steps.run(1)
        trail.append((steps.v.nia, steps.v.ic, steps.machine.state.tb))
    position = 0
    while position < 500:
        n = rng.randrange(1, 40)
        assert sliced.run(n) is Exit.BUDGET
        position += n
        assert (sliced.v.nia, sliced.v.ic, sliced.machine.state.tb) == trail[position - 1]


def test_budget_0_does_nothing_not_even_an_interrupt():
    g = Guest("nop", msr=SF | ME | EE)
    g.s.dpdes = 1
    g.t.hdoorbell = 1
    before = everything(g)
    assert g.run(0) is Exit.BUDGET
    assert everything(g) == before


def test_an_enormous_budget_is_no_trouble():
    assert Guest("sc 1").run((1 << 64) - 1) is Exit.HCALL


def test_the_timebase_counts_the_instructions_of_all_vcpus():
    g = Guest("b .", nvcpus=2)
    g.machine.thread[1].subproc = 1
    g.run(10, thread=0)
    g.run(7, thread=1)
    assert g.machine.state.tb == 17
    assert [g.machine.vcpu[n].ic for n in (0, 1)] == [10, 7]


@pytest.mark.parametrize("text", ["sc 1", ".long 0x1c", "nop\n trap", "ld 3,0(4)", "mfspr 3,446"])
def test_what_was_attempted_counts(text):
    g = Guest(with_vectors(text), r4=1 << 50)
    g.t.hfscr = 0
    assert g.run() is not Exit.BUDGET
    assert g.v.ic == g.machine.state.tb == (2 if "nop" in text else 1)


@pytest.mark.parametrize("vector", [0x300, 0x400, 0x700, 0xC00])
def test_a_handler_that_interrupts_itself_ends_on_its_budget(vector):
    words = {0x300: "ld 3,0(4)", 0x400: "mtctr 4\n bctr", 0x700: "trap", 0xC00: "sc"}[vector]
    # With a first instruction that goes well: else the machine sees that nobody handles it.
    g = Guest(f".org {vector:#x}\n_start: nop\n {words}", r4=1 << 50)
    assert g.run(1001) is Exit.BUDGET
    assert g.v.ic == 1001


def test_time_seen_by_the_guest_is_exact_in_any_slice():
    text = (
        "1: mftb 3\n mftb 4\n subf 5,3,4\n or 6,6,5\n nop\n mftb 7\n subf 8,4,7\n or 9,9,8\n b 1b"
    )
    for quantum in range(1, 20):
        g = Guest(text)
        for _ in range(300 // quantum):
            g.run(quantum)
        assert (g.r(6), g.r(9)) == (1, 4)
