"""State that the reference works on, and the table of its functions by instruction name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from emu.isa.bits import sign_extend

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.isa.instruction import Variant

M32 = (1 << 32) - 1
M64 = (1 << 64) - 1

# XER bits, counted from the right.
SO, OV, CA, OV32, CA32 = 31, 30, 29, 19, 18


class Interrupted(Exception):  # noqa: N818, an interrupt is not an error
    """The instruction does not complete; the argument names the interrupt and its cause."""


class Storage(Protocol):
    """What a load or store needs of memory."""

    def load(self, ea: int, nbytes: int) -> bytes:
        """Bytes at ea, in the order of their addresses."""

    def store(self, ea: int, data: bytes) -> None:
        """Replace the bytes at ea."""

    def check_store(self, ea: int, nbytes: int) -> None:
        """Interrupt as store() would, but change nothing."""


@dataclass(slots=True)
class Machine:
    """One thread: registers as the book names them, 64-bit values, CR in its low 32 bits.

    sf: 64-bit mode. little: little-endian mode. reserve: address and size of the reservation.
    """

    storage: Storage
    gpr: list[int] = field(default_factory=lambda: [0] * 32)
    cr: int = 0
    xer: int = 0
    lr: int = 0
    ctr: int = 0
    cia: int = 0
    nia: int = 0
    vrsave: int = 0
    tar: int = 0
    sf: bool = True
    little: bool = False
    reserve: tuple[int, int] | None = None

    @property
    def bits(self) -> int:
        """How many bits carries, overflows, CR0 and addresses have in this mode."""
        return 64 if self.sf else 32

    # ---- condition register ----------------------------------------------------------------

    def cr_bit(self, number: int) -> int:
        """CR bit 0..31 (0 = the LT of CR0)."""
        return self.cr >> (31 - number) & 1

    def set_cr_bit(self, number: int, value: int) -> None:
        """Set CR bit 0..31."""
        place = 31 - number
        self.cr = self.cr & ~(1 << place) & M32 | value << place

    def cr_field(self, number: int) -> int:
        """CR field 0..7 as 4 bits."""
        return self.cr >> 4 * (7 - number) & 0xF

    def set_cr_field(self, number: int, value: int) -> None:
        """Set CR field 0..7 to 4 bits."""
        place = 4 * (7 - number)
        self.cr = self.cr & ~(0xF << place) & M32 | value << place

    def set_comparison(self, number: int, a: int, b: int) -> None:
        """CR field := a < b, a > b, a = b, SO."""
        relation = 8 if a < b else 4 if a > b else 2
        self.set_cr_field(number, relation | self.xer_bit(SO))

    # ---- fixed-point exception register ----------------------------------------------------

    def xer_bit(self, place: int) -> int:
        """One of SO, OV, CA, OV32, CA32."""
        return self.xer >> place & 1

    def set_xer_bit(self, place: int, value: int) -> None:
        """Set one of SO, OV, CA, OV32, CA32."""
        self.xer = self.xer & ~(1 << place) | value << place

    def set_overflow(self, ov: int, ov32: int) -> None:
        """OV and OV32 := these, SO sticky."""
        self.set_xer_bit(OV, ov)
        self.set_xer_bit(OV32, ov32)
        self.set_xer_bit(SO, self.xer_bit(SO) | ov)

    def set_carry(self, ca: int, ca32: int) -> None:
        """CA and CA32 := these."""
        self.set_xer_bit(CA, ca)
        self.set_xer_bit(CA32, ca32)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A word together with the variant it is: `i("RA")` is the field that the book calls RA."""

    variant: Variant
    word: int

    def __call__(self, label: str) -> int:
        """Contents of a field as an unsigned number, split fields put together."""
        pieces: tuple[tuple[int, int], ...] = ()
        for operand in self.variant.operands:
            if any(box[0] == label for box in operand.boxes) and operand.pieces:
                pieces = operand.pieces
                break
        value = 0
        for first, last in pieces:
            width = last - first + 1
            value = value << width | self.word >> (31 - last) & ((1 << width) - 1)
        return value

    @property
    def rc(self) -> bool:
        """Whether CR0 records the result."""
        return self.variant.rc

    @property
    def oe(self) -> bool:
        """Whether OV, OV32 and SO record the overflow."""
        return self.variant.oe


SEMANTICS: dict[str, Callable[[Machine, Instruction], None]] = {}


def semantics(
    *names: str,
) -> Callable[[Callable[[Machine, Instruction], None]], Callable[[Machine, Instruction], None]]:
    """Register a function as what the table's rows of these names do."""

    def register(
        function: Callable[[Machine, Instruction], None],
    ) -> Callable[[Machine, Instruction], None]:
        for name in names:
            assert name not in SEMANTICS, name
            SEMANTICS[name] = function
        return function

    return register


def record(m: Machine, i: Instruction, result: int) -> None:
    """CR0 := the sign of the result and SO, if the instruction has Rc = 1."""
    if i.rc:
        m.set_comparison(0, sign_extend(result, m.bits), 0)


def execute(m: Machine, variant: Variant, word: int) -> None:
    """Execute one instruction at m.cia and set m.nia.

    Raises Interrupted if it causes an interrupt; KeyError if the reference does not model it.
    """
    m.nia = m.cia + 4 & M64
    SEMANTICS[variant.insn.name](m, Instruction(variant, word))
    if not m.sf:
        m.nia &= M32
