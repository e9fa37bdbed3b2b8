"""Instructions that the interpreter executes as one do what they do one by one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emu.core._emu import ffi, lib
from emu.core.machine import Exit, Machine
from emu.isa import emit
from emu.isa.operands import Kind
from emu.isa.table import INSNS

from .guest import EE, FACILITIES, ME, SF

TEXT = (Path(__file__).parents[2] / "csrc/sequences.txt").read_text()
ROWS = [line.partition("#")[0].split() for line in TEXT.splitlines()]
SEQUENCES = [row for row in ROWS if row]
VARIANTS = {variant.ident: variant for row in INSNS for variant in row.variants}
CODE, DATA, SIZE = 0x10000, 0x18000, 0x20000
REGISTERS = (0, 3, 4, 5, 9, 10)

# What a way that is no variant of its own asks of its operands.
CONDITIONS = {
    "blt": (12, 0),
    "bge": (4, 0),
    "bgt": (12, 1),
    "ble": (4, 1),
    "beq": (12, 2),
    "bne": (4, 2),
}
FORMS = {
    "cmpwi": ("cmpi", {"L": 0}), "cmpdi": ("cmpi", {"L": 1}), "cmpw": ("cmp", {"L": 0}),
    "cmpd": ("cmp", {"L": 1}), "cmplwi": ("cmpli", {"L": 0}), "cmpldi": ("cmpli", {"L": 1}),
    "cmplw": ("cmpl", {"L": 0}), "cmpld": ("cmpl", {"L": 1}), "li": ("addi", {"RA": 0}),
    "lis": ("addis", {"RA": 0}), "nop": ("ori", {"RA": 7, "RS": 7, "UI": 0}),
    "clrldi": ("rldicl", {"sh": 0}), "mflr": ("mfspr", {"SPR": 8}), "mtlr": ("mtspr", {"SPR": 8}),
    "mfctr": ("mfspr", {"SPR": 9}), "mtctr": ("mtspr", {"SPR": 9}),
    "b_near": ("b", {"LI": 8}), "bl_near": ("bl", {"LI": 8}),
    "bdnz_near": ("bc", {"BO": 16, "BI": 0, "BD": 8}),
    "bdz_near": ("bc", {"BO": 18, "BI": 0, "BD": 8}),
}  # fmt: skip


def operand_value(rng, operand):
    if operand.kind is Kind.GPR:
        return rng.choice(REGISTERS)
    if operand.kind is Kind.DISPLACEMENT:
        return rng.randrange(-64, 64) // operand.multiple * operand.multiple
    span = (operand.hi - operand.lo) // operand.multiple + 1
    return operand.lo + rng.randrange(span) * operand.multiple


def instance(rng, way, field):
    """A word of this way with random operands; a condition tests CR field `field`, or another."""
    name, fixed = FORMS.get(way, (way, {}))
    if way.removesuffix("_near") in CONDITIONS:
        bo, bit = CONDITIONS[way.removesuffix("_near")]
        tested = field if rng.random() < 0.8 else rng.randrange(8)
        name, fixed = "bc", {"BO": bo, "BI": 4 * tested + bit, "BD": 8}
    variant = VARIANTS["or" if way == "mr" else "rlwinm" if way == "rlwinm_low" else name]
    values = {o.key: fixed.get(o.name, operand_value(rng, o)) for o in variant.operands}
    if "BF" in values and rng.random() < 0.8:
        values["BF"] = field
    if way == "mr":
        values["RB"] = values["RS"]
    if way == "rlwinm_low":
        values["MB"], values["ME"] = sorted((values["MB"], values["ME"]))
    word = variant.match
    for operand in variant.operands:
        word |= operand.insert(values[operand.key])
    return word


def machine_with(rng, words):
    machine = Machine()
    machine.new_memory(0, SIZE)
    machine.write(0, 0x300, (0x44000022).to_bytes(4, "big"))  # sc 1
    machine.write(0, CODE, b"".join(word.to_bytes(4, "big") for word in words))
    machine.write(0, DATA - 256, rng.randbytes(512))
    vcpu, thread = machine.vcpu[0], machine.thread[0]
    thread.vcpu, thread.hfscr = 1, FACILITIES
    vcpu.nia, vcpu.msr, vcpu.cr = CODE, SF | ME | EE, rng.getrandbits(32)
    vcpu.ctr, vcpu.lr, vcpu.xer = rng.choice([1, 2, 1 << 40]), rng.getrandbits(40), 0
    for number in REGISTERS:
        near = rng.choice([DATA, DATA + 3, CODE + 4, CODE + 8, SIZE - 8, 64, rng.getrandbits(64)])
        vcpu.gpr[number] = near if rng.random() < 0.9 else rng.getrandbits(64)
    vcpu.gpr[9] = DATA if rng.random() < 0.7 else CODE
    return machine


SCRATCH = Machine()
SCRATCH.new_memory(0, 4096)


def proper_instance(rng, way, field):
    """The same, until it is no quicker way's (`or` of a register with itself is `mr`)."""
    while True:
        word = instance(rng, way, field)
        SCRATCH.write(0, 0, word.to_bytes(4, "big"))
        if ffi.string(lib.emu_way(SCRATCH.handle, 0, 0, 0)).decode() == way:
            return word


def run(machine, quantum):
    for _ in range(0, 12, quantum):
        if machine.run(0, quantum) is not Exit.BUDGET:
            break
    return [*machine.words], bytes(machine.memory(0))


@pytest.mark.parametrize("number", range(len(SEQUENCES)), ids=[" ".join(s) for s in SEQUENCES])
def test_a_sequence_does_what_its_instructions_do_one_by_one(number):
    ways = SEQUENCES[number]
    for seed in range(40):
        rng = random.Random(f"{number} {seed}")
        field = rng.choice([0, 0, rng.randrange(8)])
        words = [proper_instance(rng, way, field) for way in ways] + [0x60000000] * 10
        whole, single = (machine_with(random.Random(seed), words) for _ in "ab")
        assert run(whole, 12) == run(single, 1), [f"{word:08x}" for word in words[: len(ways)]]


@pytest.mark.parametrize(
    ("text", "rule"),
    [("ld", "has 2 to 4"), ("ld ld ld ld ld", "has 2 to 4"), ("b_near ld", "cannot stand there"),
     ("ld rfid", "cannot be part"), ("crand ld", "cannot be part"), ("ld nonsense", "cannot stand"),
     ("ld ld\nld ld", "stands twice"), ("bctar ld", "cannot be part")],
)  # fmt: skip
def test_a_sequence_that_cannot_be_is_refused(text, rule):
    with pytest.raises(ValueError, match=rule):
        emit.c_header(text)
