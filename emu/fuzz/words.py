"""Instruction words that a program may hold between its doorbells: drawn from the ISA table.

They compute on registers that nothing else uses, and neither touch storage nor branch. What they
leave there is the same in every interleaving, so the naive reference can say what it must be.
"""

from __future__ import annotations

import random
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from emu.fuzz.reference import SEMANTICS, Machine, execute
from emu.isa import fixed_point
from emu.isa.disasm import disassemble
from emu.isa.operands import Kind
from emu.isa.table import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emu.isa.instruction import Variant
    from emu.isa.operands import Operand

# Registers of these words: no operation, handler or hcall uses them. Values at the start.
REGISTERS: Final = {1: 0x8000_0000_0000_0001, 2: 0xFFFF_FFFF_7FFF_FFFF}
GENERATIONS: Final = {"power7": 7, "power8": 8, "power9": 9}
EACH: Final = 4  # words of one mnemonic
# They trap, or read what is not theirs alone, or what depends on the place or the time.
LEFT_OUT: Final = frozenset({
    "tw", "twi", "td", "tdi", "addpcis", "darn", "isel", "setb", "mcrxrx", "mfcr", "mfocrf",
    "mtcrf", "mtocrf",
})  # fmt: skip


class NoStorage:
    """Storage for the reference that no word of these asks for."""

    def load(self, ea: int, nbytes: int) -> bytes:
        """Refuse: KeyError."""
        raise KeyError((ea, nbytes))

    def store(self, ea: int, data: bytes) -> None:
        """Refuse: KeyError."""
        raise KeyError((ea, data))

    def check_store(self, ea: int, nbytes: int) -> None:
        """Refuse: KeyError."""
        raise KeyError((ea, nbytes))


@cache
def words(host: str) -> tuple[int, ...]:
    """Words of every instruction of a host that computes on registers alone, the same always."""
    return tuple(dict.fromkeys(word for variant in _variants(host) for word in _words(variant)))


def _variants(host: str) -> list[Variant]:
    generation = GENERATIONS[host]
    return [
        variant
        for row in fixed_point.INSNS
        for variant in row.variants
        if not (row.load or row.store or row.until)
        and row.since <= generation
        and row.privilege == "problem"
        and not row.facility
        and row.name in SEMANTICS
        and row.name not in LEFT_OUT
        and not any(o.kind is Kind.SPR for o in variant.operands)
    ]


def _words(variant: Variant) -> list[int]:
    source = random.Random(variant.match)  # noqa: S311  no secret
    found: list[int] = []
    for _ in range(20 * EACH):
        word = variant.match
        for operand in variant.operands:
            word |= operand.insert(_value(source, operand))
        if decode(word) is variant and variant.is_valid(word):
            found.append(word)
        if len(found) == EACH:
            break
    return found


def _value(source: random.Random, operand: Operand) -> int:
    if operand.kind is Kind.GPR:
        return source.choice(tuple(REGISTERS))
    if operand.kind in (Kind.CRF, Kind.CRBIT):
        return source.randrange(operand.lo, operand.hi + 1)
    span = (operand.hi - operand.lo) // operand.multiple
    return operand.lo + operand.multiple * source.choice((0, span, source.randrange(span + 1)))


@lru_cache(maxsize=4096)
def text_of(word: int) -> str:
    """The word as an instruction of a test."""
    return " ".join(disassemble(word, 0).split())


@lru_cache(maxsize=4096)
def computed(sequence: tuple[int, ...]) -> Mapping[int, int]:
    """What REGISTERS hold after these words, by the reference."""
    machine = Machine(NoStorage())
    for register, value in REGISTERS.items():
        machine.gpr[register] = value
    for word in sequence:
        variant = decode(word)
        assert variant is not None
        execute(machine, variant, word)
    return {register: machine.gpr[register] for register in REGISTERS}
