"""Snapshots hold the whole machine, in any number, and cost what changed."""

from __future__ import annotations

import random

import pytest

from emu.core._emu import ffi
from emu.core.machine import Exit, Machine
from emu.errors import ConfigError

from .guest import ME, SF, Guest

WRITER = "_start: 1: std 3,0(9)\n addi 3,3,1\n add 9,9,10\n clrldi 9,9,44\n b 1b"


def everything(machine):
    return [*machine.words], bytes(machine.memory(0))


def test_restoring_undoes_words_and_memory():
    g = Guest(WRITER, r9=0x20000, r10=0x1230)
    g.run(100)
    kept, before = g.machine.snapshot(), everything(g.machine)
    g.run(1000)
    assert everything(g.machine) != before
    g.machine.restore(kept)
    assert everything(g.machine) == before


def test_a_restored_run_is_the_same_run():
    g = Guest(WRITER, r9=0x20000, r10=0x1230)
    kept = g.machine.snapshot()
    g.run(1000)
    after = everything(g.machine)
    g.machine.restore(kept)
    g.run(1000)
    assert everything(g.machine) == after


@pytest.mark.parametrize("seed", range(5))
def test_any_snapshot_can_follow_any_other(seed):
    rng = random.Random(seed)
    g = Guest(WRITER, r9=0x20000, r10=0x1230 + 8 * seed)
    kept = []
    for _ in range(200):
        action = rng.random()
        if action < 0.3 or not kept:
            kept.append((g.machine.snapshot(), everything(g.machine)))
        elif action < 0.6:
            snapshot, expected = rng.choice(kept)
            g.machine.restore(snapshot)
            assert everything(g.machine) == expected
        elif action < 0.7:
            del kept[rng.randrange(len(kept))]
        else:
            g.run(rng.randrange(200))


def test_restoring_brings_back_the_code():
    g = Guest("1: li 3,1\n stw 4,0(9)\n b 1b", r4=0x38600002, r9=0x10000)
    kept = g.machine.snapshot()
    for _ in range(3):
        g.run(4)
        assert g.r(3) == 2
        g.machine.restore(kept)
        g.run(1)
        assert g.r(3) == 1
        g.machine.restore(kept)


def test_restoring_brings_back_reservations():
    g = Guest(
        "lwarx 5,0,3\n sc 1\n stwcx. 5,0,3\n sc 1\nother: stw 4,0(3)\n sc 1", nvcpus=2, r3=0x20000
    )
    g.finish()
    kept = g.machine.snapshot()
    g.machine.vcpu[1].nia = g.at("other")
    g.finish(thread=1)
    g.machine.restore(kept)
    g.machine.vcpu[1].nia = g.at("other")
    g.finish(thread=1)
    g.finish()
    assert g.v.cr >> 28 == 0, "the other thread's store is seen after the restore too"


def test_a_page_that_was_never_written_comes_back_as_zeros():
    g = Guest("std 3,0(9)\n sc 1", r3=7, r9=0x40000)
    kept = g.machine.snapshot()
    g.finish()
    g.machine.restore(kept)
    assert g.word(0x40000, 8) == 0


def test_several_vms_are_kept_together():
    machine = Machine(nvms=3)
    for vm in (0, 2):
        machine.new_memory(vm, 0x10000)
        machine.write(vm, 0x100, bytes([vm + 1]))
    kept = machine.snapshot()
    for vm in (0, 2):
        machine.write(vm, 0x100, b"\xff")
    machine.restore(kept)
    assert [machine.read(vm, 0x100, 1) for vm in (0, 2)] == [b"\1", b"\3"]


def test_a_vm_that_got_its_memory_later_is_zero_in_the_snapshot():
    machine = Machine()
    kept = machine.snapshot()
    machine.new_memory(0, 0x10000)
    machine.write(0, 0x100, b"\1")
    machine.restore(kept)
    assert machine.read(0, 0x100, 1) == b"\0"


def test_a_snapshot_of_another_machine_is_refused():
    machine = Machine()
    with pytest.raises(ConfigError, match="of this machine"):
        machine.restore(Machine().snapshot())


def test_snapshots_outlive_their_names():
    g = Guest("b .", msr=SF | ME)
    kept = g.machine.snapshot()
    machine = g.machine
    del g
    machine.restore(kept)
    del machine
    assert kept.machine.run(0, 5) is Exit.BUDGET


def test_machine_and_snapshots_may_go_in_any_order():
    """As at the end of a process, when objects that refer to each other go as it happens."""
    for order in range(6):
        machine = Machine()
        machine.new_memory(0, 4096)
        kept = [machine.snapshot(), machine.snapshot()]
        handles = [machine.handle, *(snapshot._handle for snapshot in kept)]
        for index in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)][order]:
            ffi.release(handles[index])
