"""The core and the naive reference agree on single instructions, with any operands at all.

Here are the cases that qemu-user cannot judge: results that the book leaves undefined, reserved
bits that are set, 32-bit mode, storage outside the partition, misaligned operands, taken traps.
"""

from __future__ import annotations

import random
from array import array

import pytest

from emu.core.machine import Exit
from emu.fuzz.reference import Interrupted, Machine, execute
from emu.isa.disasm import disassemble
from emu.isa.interrupts import BY_NAME
from emu.isa.msr import XER_MASK, mask
from emu.isa.operands import OPERANDS
from emu.isa.table import decode

from .batch import NAMES
from .cases import USER, value
from .machines import new_core

MEMORY = 0x10000
CODE = 0x8000
# Every access is to real storage: bits 0:3 of an effective address do not count.
REAL = (1 << 60) - 1

# Invalid forms that hardware executes, by rule; words that break others are left out.
EXECUTED_ANYHOW = {"FXM not one bit", "L=2", "L=3", "L=2 or 3"}

ROUNDS = 40


class PartitionStorage:
    """Guest memory of the reference: what lies outside is a storage interrupt."""

    def __init__(self):
        """All zero, as the core's."""
        self.data = bytearray(MEMORY)

    def _start(self, ea, nbytes, cause):
        start = ea & REAL
        if start + nbytes > MEMORY:
            raise Interrupted("data_storage", cause)
        return start

    def load(self, ea, nbytes):
        """Bytes at ea."""
        start = self._start(ea, nbytes, "load")
        return bytes(self.data[start : start + nbytes])

    def store(self, ea, data):
        """Replace the bytes at ea."""
        start = self._start(ea, len(data), "store")
        self.data[start : start + len(data)] = data

    def check_store(self, ea, nbytes):
        """Interrupt as store() would."""
        self._start(ea, nbytes, "store")


def random_word(rng, variant):
    """Draw any word that executes as this variant, reserved bits included."""
    row = variant.insn
    while True:
        word = variant.match & variant.opcode_mask | rng.getrandbits(32) & ~variant.opcode_mask
        if row.name in {"mtspr", "mfspr"}:
            spr = OPERANDS["SPR"]
            word = word & ~spr.field_mask | spr.insert(rng.choice((1, 8, 9, 256, 815)))
        rules = set(row.invalid) - EXECUTED_ANYHOW
        if all(variant.is_valid(word) or rule in EXECUTED_ANYHOW for rule in rules or ["L=2"]):
            return word


def address(rng):
    """Draw a register value that is near the memory, or near its ends."""
    return rng.choice((
        rng.randrange(0x4000, CODE), rng.randrange(0x40), -rng.randrange(0x40) & (1 << 64) - 1,
        MEMORY - rng.randrange(64), 0xFFFFFFFFFFFFFFF0, 0xF000000000004000, 0xFFFFFFFF00004000,
    ))  # fmt: skip


def draw_registers(rng, variant, word):
    """Draw 36 register values; those that address storage are often near the memory."""
    registers = [value(rng) for _ in range(32)]
    if variant.insn.load or variant.insn.store:
        registers[word >> 16 & 31] = address(rng)
        registers[word >> 11 & 31] = rng.choice((rng.randrange(0x80), address(rng)))
    registers += [rng.getrandbits(32), rng.getrandbits(32) & XER_MASK]
    return [*registers, value(rng), rng.choice((0, 1, 2, 1 << 32, value(rng)))]


class Pair:
    """The core and the reference, side by side over the same memory."""

    def __init__(self, *, sf, little):
        """Both in this mode; privileged, so that nothing but the case itself interrupts."""
        self.sf, self.little = sf, little
        names = ["ME", *(["SF"] if sf else []), *(["LE"] if little else [])]
        self.msr = mask("MSR", *names)
        self.core = new_core(MEMORY, msr=self.msr)
        self.storage = PartitionStorage()

    def write(self, address, data):
        """Replace bytes of both memories."""
        self.core.write(0, address, data)
        self.storage.data[address : address + len(data)] = data

    def run(self, variant, word, registers):
        """Run one word on both; returns (core's outcome, reference's outcome)."""
        self.write(CODE, word.to_bytes(4, "little" if self.little else "big"))
        self.write(0, bytes(0x1000))  # no handlers: an interrupt ends the run
        before = bytes(self.storage.data)
        *gpr, cr, xer, lr, ctr = registers
        outcomes = self._core(gpr, cr, xer, lr, ctr), self._reference(variant, word, registers)
        if len(outcomes[1]) == 3:
            # The book lets a string store change some bytes before it interrupts, as the
            # reference does; the core changes none.
            self.storage.data[:] = before
        return outcomes

    def _core(self, gpr, cr, xer, lr, ctr):
        v = self.core.vcpu[0]
        v.gpr[:] = array("Q", gpr)
        v.cr, v.xer, v.lr, v.ctr = cr, xer, lr, ctr
        v.nia, v.msr, v.reserve_size, v.tar, v.vrsave = CODE, self.msr, 0, lr, 7
        reason = self.core.run(0, 1)
        if reason is Exit.UNHANDLED:
            return (v.trap_vector, v.trap_srr1 ^ self.msr, v.trap_dsisr)
        assert reason is Exit.BUDGET, reason
        after = (*v.gpr, v.cr, v.xer, v.lr, v.ctr, v.tar, v.vrsave, v.nia)
        return (*after, v.reserve_size and (v.reserve_ea, v.reserve_size))

    def _reference(self, variant, word, registers):
        *gpr, cr, xer, lr, ctr = registers
        m = Machine(
            self.storage, gpr, cr, xer, lr, ctr, CODE, sf=self.sf, little=self.little,
            tar=lr, vrsave=7,
        )  # fmt: skip
        try:
            execute(m, variant, word)
        except Interrupted as interrupt:
            name, cause = interrupt.args
            srr1 = mask("SRR1", "TRAP") if cause == "trap" else 0
            dsisr = mask("DSISR", "NO_TRANSLATION") if name == "data_storage" else 0
            dsisr |= mask("DSISR", "STORE") if cause == "store" else 0
            return (BY_NAME[name].vector, srr1, dsisr)
        reserve = (m.reserve[0] & REAL, m.reserve[1]) if m.reserve else 0
        return (*m.gpr, m.cr, m.xer, m.lr, m.ctr, m.tar, m.vrsave, m.nia, reserve)


def explain(variant, word, registers, mine, theirs):
    """Return the case and what differs, as text."""
    named = {word >> shift & 31 for shift in (21, 16, 11, 6)}
    lines = [f"{variant.mnemonic}: {word:08x}  {disassemble(word, CODE)}"]
    lines += [
        f"{name:>6} = {number:016x}"
        for place, (name, number) in enumerate(zip(NAMES, registers, strict=True))
        if place in named or place >= 32
    ]
    if len(mine) != len(theirs) or len(mine) == 3:
        return "\n".join([*lines, f"core {mine}", f"reference {theirs}"])
    names = [*NAMES, "tar", "vrsave", "nia", "reserve"]
    lines += [
        f"{name}: core {a} reference {b}" if isinstance(a, tuple) or isinstance(b, tuple)
        else f"{name}: core {a:016x} reference {b:016x}"
        for name, a, b in zip(names, mine, theirs, strict=True) if a != b
    ]  # fmt: skip
    return "\n".join(lines)


@pytest.mark.parametrize("sf", [True, False], ids=["64-bit", "32-bit"])
@pytest.mark.parametrize("little", [False, True], ids=["big", "little"])
@pytest.mark.parametrize("seed", range(2))
def test_single_instructions_with_any_operands(seed, little, sf):
    rng = random.Random(f"{seed} {little} {sf}")
    pair = Pair(sf=sf, little=little)
    pair.write(0x4000, rng.randbytes(CODE - 0x4000))
    failures = {}
    for _ in range(ROUNDS):
        for variant in USER:
            word = random_word(rng, variant)
            assert decode(word) is variant
            registers = draw_registers(rng, variant, word)
            mine, theirs = pair.run(variant, word, registers)
            if mine != theirs:
                failures.setdefault(
                    variant.mnemonic, explain(variant, word, registers, mine, theirs)
                )
            elif pair.storage.data != pair.core.read(0, 0, MEMORY):
                failures.setdefault(variant.mnemonic, f"{word:08x}: memory differs")
                pair.core.write(0, 0, bytes(pair.storage.data))
    assert not failures, "\n\n".join(failures.values())
