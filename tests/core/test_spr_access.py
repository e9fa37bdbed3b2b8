"""Who may read and write each SPR: the core does what the table and the book's rules say.

Power ISA v3.0B Book III, Move To/From System Register Instructions and Facility Unavailable
interrupts.
"""

from __future__ import annotations

import pytest

from emu.core.machine import Exit
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.interrupts import BY_NAME as INTERRUPTS
from emu.isa.msr import field, mask
from emu.isa.sprs import SPRS, is_privileged_number
from emu.isa.table import encode

from .machines import new_core

CODE = 0x8000
ALL = (1 << 64) - 1
COMPLETES, ILLEGAL = "completes", "illegal"
PRIVILEGED = ("program", mask("SRR1", "PRIV"))


def expected(row, direction, number, *, problem, facilities):
    """What the book says becomes of an mfspr or mtspr; row is None if there is no such register."""
    access = row and (row.read if direction == "mfspr" else row.write)
    if problem and is_privileged_number(number):
        return PRIVILEGED
    if access is None:
        reserved = {0, 4, 5, 6} if direction == "mfspr" else {0}
        return ILLEGAL if problem or number in reserved else COMPLETES
    if access == "hypervisor":
        return PRIVILEGED
    facility = FACILITIES.get(row.facility)
    if facility and not facilities:
        if facility.fscr and problem:
            return ("facility_unavailable", facility.ic)
        if facility.hfscr:
            return ("hypervisor_facility_unavailable", facility.ic)
    return COMPLETES


class Guest:
    """A thread of a host generation that runs one mfspr or mtspr after another."""

    def __init__(self, generation):
        """Start with every register 0."""
        self.generation = generation
        self.core = new_core(0x10000, msr=0, generation=generation)
        self.v, self.t = self.core.vcpu[0], self.core.thread[0]

    def outcome(self, direction, number, *, problem, facilities):
        """Run one access to r3; returns what became of it, as expected() says it."""
        operands = (3, number) if direction == "mfspr" else (number, 3)
        self.core.write(0, CODE, encode(direction, operands).to_bytes(4, "big"))
        self.v.msr = mask("MSR", "SF", *(["PR"] if problem else []))
        self.v.nia, self.v.gpr[3] = CODE, 0
        ic = field("FSCR", "IC").mask
        self.v.fscr = self.t.hfscr = ALL & ~ic if facilities else 0
        reason = self.core.run(0, 1)
        if reason is Exit.BUDGET:
            return COMPLETES
        assert self.v.nia == CODE
        if reason is Exit.HFAC_UNAVAIL:
            return ("hypervisor_facility_unavailable", self.t.hfscr >> 56)
        if reason is Exit.EMUL_ASSIST:
            return ILLEGAL
        assert reason is Exit.UNHANDLED, reason
        if self.v.trap_vector == INTERRUPTS["facility_unavailable"].vector:
            return ("facility_unavailable", self.v.fscr >> 56)
        assert self.v.trap_vector == INTERRUPTS["program"].vector
        cause = self.v.trap_srr1 & mask("SRR1", "ILL", "PRIV", "TRAP")
        return ILLEGAL if cause == mask("SRR1", "ILL") else ("program", cause)


@pytest.mark.parametrize("generation", [7, 8, 9])
@pytest.mark.parametrize("direction", ["mfspr", "mtspr"])
@pytest.mark.parametrize("problem", [False, True], ids=["privileged", "problem"])
@pytest.mark.parametrize("facilities", [True, False], ids=["available", "unavailable"])
def test_every_number_is_treated_as_the_book_says(generation, direction, problem, facilities):
    guest = Guest(generation)
    # ISA 2.06 has neither FSCR nor HFSCR: everything is available on POWER7.
    governed = facilities or generation == 7
    rows = {row.number: row for row in SPRS if row.exists_on(generation)}
    wrong = {}
    for number in range(1024):
        wanted = expected(rows.get(number), direction, number, problem=problem, facilities=governed)
        got = guest.outcome(direction, number, problem=problem, facilities=facilities)
        if got != wanted:
            wrong[number] = (got, wanted)
    assert not wrong


PLAIN = [
    row for row in SPRS if row.write in {"problem", "privileged"} and row.read and not row.special
]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: f"{row.number}-{row.name}")
def test_what_is_written_is_read_up_to_its_width(row):
    """Registers without hidden rules hold what they are given."""
    generation = row.until or 9
    guest = Guest(generation)
    low = (1 << row.width) - 1
    for number in (0x123456789ABCDEF0, ALL, 1 << 63, 0):
        guest.v.msr = mask("MSR", "SF")
        guest.t.hfscr = ALL
        guest.v.gpr[3], guest.v.nia = number, CODE
        words = [encode("mtspr", (row.number, 3)), encode("mfspr", (4, row.number))]
        guest.core.write(0, CODE, b"".join(word.to_bytes(4, "big") for word in words))
        assert guest.core.run(0, 2) is Exit.BUDGET
        assert guest.v.gpr[4] == number & low


def test_one_register_under_two_numbers_is_one_register():
    guest = Guest(9)
    guest.t.hfscr = guest.v.fscr = ALL
    guest.v.msr = mask("MSR", "SF")
    for written, read in ((17, 3), (3, 17), (275, 259)):
        guest.v.gpr[3], guest.v.nia = 0x1000 + written, CODE
        words = [encode("mtspr", (written, 3)), encode("mfspr", (4, read))]
        guest.core.write(0, CODE, b"".join(word.to_bytes(4, "big") for word in words))
        assert guest.core.run(0, 2) is Exit.BUDGET
        assert guest.v.gpr[4] == 0x1000 + written
