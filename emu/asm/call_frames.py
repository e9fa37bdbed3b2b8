"""Call frames as `.cfi_*` directives describe them: what is said of each stretch of code.

An instruction is its DWARF bytes, or the place that the next ones count from. Source: DWARF
Debugging Information Format 4, 6.4.2 Call Frame Instructions; the alignment factors and register
columns are those that GNU as has for 64-bit Power.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from .leb128 import leb128

if TYPE_CHECKING:
    from .expressions import Code
    from .parse import Operand
    from .scan import Statement
    from .sections import Place, Section
    from .source import Line

CODE_ALIGN, DATA_ALIGN = 4, -8
MAX_ADVANCE = CODE_ALIGN << 32
STACK_POINTER, LINK_REGISTER = 1, 65

ADVANCE, OFFSET, RESTORE = 0x40, 0x80, 0xC0  # the operand is in the low six bits
ADVANCES = ((1, 0x02), (2, 0x03), (4, 0x04))  # bytes of the operand, opcode
OFFSET_EXTENDED, RESTORE_EXTENDED, UNDEFINED, SAME_VALUE, REGISTER = 0x05, 0x06, 0x07, 0x08, 0x09
REMEMBER_STATE, RESTORE_STATE, GNU_WINDOW_SAVE = 0x0A, 0x0B, 0x2D
DEF_CFA, DEF_CFA_REGISTER, DEF_CFA_OFFSET = 0x0C, 0x0D, 0x0E
OFFSET_EXTENDED_SF, DEF_CFA_SF, DEF_CFA_OFFSET_SF = 0x11, 0x12, 0x13
VAL_OFFSET, VAL_OFFSET_SF = 0x14, 0x15

_COLUMNS = {
    "sp": 1, "mq": 64, "lr": 65, "ctr": 66, "ap": 67, "cr": 70, "xer": 76, "vrsave": 109,
    "vscr": 110, "spe_acc": 111, "spefscr": 112,
}  # fmt: skip
_BANKS = {"r": (0, 32), "f": (32, 32), "cr": (68, 8), "v": (77, 32)}  # first column, how many
_BANKED = re.compile(r"(cr|[rfv])\.?([0-9]{1,2})", re.ASCII)


class Step(NamedTuple):
    """Bytes of one call frame instruction. shared: they may stand in the common entry (CIE)."""

    data: bytes
    shared: bool = True


class Pointer(NamedTuple):
    """An address in the tables: `.cfi_personality` and `.cfi_lsda`. encoding: DW_EH_PE_*."""

    encoding: int
    code: Code
    statement: Statement
    operand: Operand


@dataclass(slots=True)
class Frame:
    """From a `.cfi_startproc` to its `.cfi_endproc`. reached: what the last step applies to.

    cfa_offset: of the canonical frame address now; remembered: those of `.cfi_remember_state`.
    """

    section: Section
    start: Place
    line: Line
    column: int
    reached: Place
    end: Place | None = None
    steps: list[Step | Place] = field(default_factory=list)
    return_column: int = LINK_REGISTER
    signal: bool = False
    personality: Pointer | None = None
    lsda: Pointer | None = None
    cfa_offset: int = 0
    remembered: list[int] = field(default_factory=list)

    def leading(self) -> list[Step]:
        """The steps that hold from the first instruction on, and that a CIE may have."""
        found: list[Step] = []
        for step in self.steps:
            if not isinstance(step, Step) or not step.shared:
                break
            found.append(step)
        return found


@dataclass(slots=True)
class CallFrames:
    """All frames of a source. wanted: the sections that describe them."""

    closed: list[Frame] = field(default_factory=list)
    open: dict[str, Frame] = field(default_factory=dict)
    wanted: tuple[str, ...] = (".eh_frame",)

    @property
    def any(self) -> bool:
        """Whether a frame has begun."""
        return bool(self.closed or self.open)


def column_of(name: str) -> int | None:
    """The DWARF number of a register's name (`r31`, `lr`, `cr2`), None if it is none."""
    match = _BANKED.fullmatch(name)
    if match is None:
        return _COLUMNS.get(name)
    first, count = _BANKS[match.group(1)]
    number = int(match.group(2))
    return first + number if number < count else None


def advance(nbytes: int, order: Literal["big", "little"]) -> bytes:
    """The instruction that makes the following ones count from `nbytes` (< MAX_ADVANCE) later."""
    units = min(nbytes, MAX_ADVANCE - 1) // CODE_ALIGN
    if units <= 0:
        return b""
    if units < 1 << 6:
        return bytes([ADVANCE | units])
    size, opcode = next(row for row in ADVANCES if units < 1 << 8 * row[0])
    return bytes([opcode]) + units.to_bytes(size, order)


def with_column(opcode: int, column: int) -> bytes:
    """An instruction whose one operand is a register."""
    return bytes([opcode]) + _unsigned(column)


def with_columns(opcode: int, column: int, other: int) -> bytes:
    """An instruction of two registers."""
    return bytes([opcode]) + _unsigned(column) + _unsigned(other)


def restored(column: int) -> bytes:
    """The register is where the CIE says again."""
    return bytes([RESTORE | column]) if column < 1 << 6 else with_column(RESTORE_EXTENDED, column)


def saved(column: int, offset: int) -> bytes:
    """The register is in memory, `offset` bytes (a multiple of 8) from the CFA."""
    units = offset // DATA_ALIGN
    if units < 0:
        return with_column(OFFSET_EXTENDED_SF, column) + leb128(units, signed=True)
    if column < 1 << 6:
        return bytes([OFFSET | column]) + _unsigned(units)
    return with_columns(OFFSET_EXTENDED, column, units)


def valued(column: int, offset: int) -> bytes:
    """The register's value is the CFA and `offset` bytes (a multiple of 8)."""
    units = offset // DATA_ALIGN
    if units < 0:
        return with_column(VAL_OFFSET_SF, column) + leb128(units, signed=True)
    return with_columns(VAL_OFFSET, column, units)


def cfa(column: int, offset: int) -> bytes:
    """The CFA is a register and `offset` bytes (a multiple of 8 if negative)."""
    if offset < 0:
        return with_column(DEF_CFA_SF, column) + leb128(offset // DATA_ALIGN, signed=True)
    return with_columns(DEF_CFA, column, offset)


def cfa_offset(offset: int) -> bytes:
    """The CFA is `offset` bytes (a multiple of 8 if negative) from the same register as before."""
    if offset < 0:
        return bytes([DEF_CFA_OFFSET_SF]) + leb128(offset // DATA_ALIGN, signed=True)
    return bytes([DEF_CFA_OFFSET]) + _unsigned(offset)


def _unsigned(value: int) -> bytes:
    return leb128(value, signed=False)
