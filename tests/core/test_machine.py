"""The Python door to the core."""

from __future__ import annotations

import gc

import pytest

from emu.core.machine import Exit, Machine
from emu.errors import ConfigError, MemoryAccessError

from .guest import ME, SF, Guest


@pytest.mark.parametrize(
    "bad", [{"generation": 6}, {"nvcpus": 0}, {"nvms": 4097}, {"nthreads": -1}]
)
def test_a_machine_that_cannot_be_is_refused(bad):
    with pytest.raises(ConfigError, match=r"must be .*, got"):
        Machine(**bad)


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, -4096, (1 << 32) + 4096])
def test_memory_of_a_bad_size_is_refused(size):
    with pytest.raises(ConfigError, match="multiple of 4096"):
        Machine().new_memory(0, size)


def test_memory_is_given_once():
    machine = Machine()
    machine.new_memory(0, 4096)
    with pytest.raises(ConfigError):
        machine.new_memory(0, 4096)
    with pytest.raises(ConfigError):
        machine.new_memory(1, 4096)


@pytest.mark.parametrize(
    ("address", "nbytes"), [(-1, 1), (4096, 1), (4090, 7), (0, 4097), (1 << 64, 1)]
)
def test_access_outside_memory_is_refused(address, nbytes):
    machine = Machine()
    machine.new_memory(0, 4096)
    with pytest.raises(MemoryAccessError, match="must lie within 0x1000"):
        machine.read(0, address, nbytes)
    with pytest.raises(MemoryAccessError, match="must lie within 0x1000"):
        machine.write(0, address, bytes(nbytes))


def test_memory_that_was_written_can_be_read():
    machine = Machine()
    machine.new_memory(0, 8192)
    machine.write(0, 4090, b"hello, world")
    assert machine.read(0, 4090, 12) == bytes(machine.memory(0)[4090:4102]) == b"hello, world"
    machine.write(0, 0, b"")


def test_memory_can_only_be_viewed():
    machine = Machine()
    machine.new_memory(0, 4096)
    with pytest.raises(TypeError):
        machine.memory(0)[0] = 1


def test_views_outlive_the_machine():
    machine = Machine()
    machine.new_memory(0, 4096)
    words, memory, vcpu = machine.words, machine.memory(0), machine.vcpu[0]
    del machine
    gc.collect()
    vcpu.msr = 5
    assert 5 in words
    assert memory[0] == 0


def test_a_field_is_its_word():
    machine = Machine(nvcpus=3, nthreads=2)
    machine.vcpu[2].lr = 77
    machine.thread[1].hfscr = 78
    machine.vcpu[1].gpr[31] = 79
    assert machine.words[machine.ref("vcpu", 2, "lr")] == 77
    assert machine.words[machine.ref("thread", 1, "hfscr")] == 78
    assert machine.words[machine.ref("vcpu", 1, "gpr") + 31] == 79


def test_areas_follow_each_other():
    machine = Machine(nvcpus=2, nthreads=2, actor_words=5, host_words=7)
    assert machine.area("host") - machine.area("actor") == 5
    assert len(machine.words) - machine.area("host") == 7


def test_negative_values_are_stored_as_64_bits():
    machine = Machine()
    machine.vcpu[0].ctr = -1
    assert machine.vcpu[0].ctr == (1 << 64) - 1


def test_a_field_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="a vcpu has no field nonsense"):
        _ = Machine().vcpu[0].nonsense
    with pytest.raises(AttributeError):
        Machine().vcpu[0].nonsense = 1


def test_a_thread_without_a_vcpu_does_not_run():
    machine = Machine()
    assert machine.run(0, 10) is Exit.NO_VCPU
    assert machine.run(7, 10) is Exit.NO_VCPU


def test_words_that_name_what_is_not_there_do_not_run():
    g = Guest("nop", msr=SF | ME)
    for area, field in (("thread", "vcpu"), ("thread", "subproc"), ("vcpu", "vm")):
        ref = g.machine.ref(area, 0, field)
        kept = g.machine.words[ref]
        for wrong in (5000, (1 << 64) - 1):
            g.machine.words[ref] = wrong
            assert g.run() is Exit.NO_VCPU
        g.machine.words[ref] = kept
    assert g.run(1) is Exit.BUDGET


def test_fetch_reads_the_word_at_nia_in_its_byte_order():
    for little in (False, True):
        g = Guest("li 3,7", little=little)
        assert g.machine.fetch(0) == 0x38600007
        g.v.nia = 1 << 50
        assert g.machine.fetch(0) is None


@pytest.mark.parametrize("address", [2, 1 << 40, -4])
def test_a_breakpoint_elsewhere_is_refused(address):
    with pytest.raises(MemoryAccessError, match="multiple of 4"):
        Guest("nop").machine.breakpoint(0, address, True)
