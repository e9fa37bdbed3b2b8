"""A guest can do nothing to the host: random words, registers and budgets end in some exit."""

from __future__ import annotations

import random

import pytest

from emu.core.machine import Exit, Machine
from emu.isa.table import INSNS

from .guest import FACILITIES

MATCHES = [(v.match, v.opcode_mask) for row in INSNS for v in row.variants]


def random_word(rng):
    """A word of some instruction with random operands, or just a word."""
    word = rng.getrandbits(32)
    if rng.random() < 0.9:
        match, mask = rng.choice(MATCHES)
        word = word & ~mask | match
    return word


@pytest.mark.parametrize("generation", [7, 8, 9])
@pytest.mark.parametrize("seed", range(12))
def test_random_words_end_in_an_exit(seed, generation):
    rng = random.Random(f"{seed} {generation}")
    machine = Machine(generation=generation, nvcpus=4, nthreads=4, nvms=2)
    pages = rng.choice([1, 2, 16])
    machine.new_memory(0, 4096 * pages)
    machine.new_memory(1, 4096 * 3)
    interesting = [0, 1, 4096 * pages - 4, 4096 * pages - 8, 4096, 1 << 31, 1 << 63, (1 << 64) - 1]
    for vm, size in ((0, 4096 * pages), (1, 4096 * 3)):
        order = rng.choice(["big", "little"])
        words = (random_word(rng).to_bytes(4, order) for _ in range(size // 4))
        machine.write(vm, 0, b"".join(words))
    for n in range(4):
        machine.thread[n].vcpu = n + 1
        machine.vcpu[n].vm = n % 2
    seen = set()
    for _ in range(400):
        n = rng.randrange(4)
        vcpu, thread = machine.vcpu[n], machine.thread[n]
        if rng.random() < 0.3:
            words = machine.words
            for i in rng.sample(range(machine.area("vcpu"), machine.area("subproc")), 20):
                words[i] = rng.choice([rng.getrandbits(64), rng.choice(interesting)])
            thread.vcpu = n + 1 if rng.random() < 0.9 else thread.vcpu
            vcpu.vm = n % 2 if rng.random() < 0.9 else vcpu.vm
            thread.subproc = rng.randrange(4)
            thread.hfscr = rng.choice([0, FACILITIES])
        vcpu.nia = rng.randrange(4096 * pages) if rng.random() < 0.9 else rng.choice(interesting)
        budget = rng.choice([0, 1, 2, rng.randrange(100), rng.randrange(3000)])
        before = machine.state.tb
        reason = machine.run(n, budget)
        seen.add(reason)
        assert machine.state.tb - before <= budget
    assert Exit.BUDGET in seen
