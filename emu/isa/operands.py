"""What an instruction's operand slots may hold, and where each one lives in the word.

An operand value is a plain integer: a register is its number, a CR bit is 0..31, a relative
branch target is its distance in bytes. This file knows nothing of instructions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .bits import mask, sign_extend


class OperandError(ValueError):
    """An operand value that its slot cannot hold; the text names slot, rule and value."""

    def __init__(self, message: str, index: int | None = None) -> None:
        """`index` is the position of the culprit among the written operands, if one is known."""
        super().__init__(message)
        self.index = index


class Kind(Enum):
    """What an operand means; its spelling in the assembler follows from this."""

    GPR = "general purpose register"
    CRF = "condition register field"
    CRBIT = "condition register bit"
    SPR = "special purpose register"
    SIGNED = "signed number"
    UNSIGNED = "unsigned number"
    DISPLACEMENT = "displacement"  # written D(RA): the base register is the next operand
    BRANCH_RELATIVE = "branch target"  # value = target - address of the instruction
    BRANCH_ABSOLUTE = "absolute branch target"
    MASK = "32-bit mask"  # one run of ones, which may wrap: 4-operand rlwinm and its kin


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand slot.

    name: as the book prints it. boxes: the (label, first, last) boxes of the bit picture that it
    fills; none for an operand that only an extended mnemonic has. pieces: bit ranges of the word,
    from the most significant part of the value down; they differ from the boxes only for split
    fields; nbits: bits of all pieces. lo, hi: canonical range, the one that extract() answers in; accept_lo, accept_hi: what
    an assembler takes, where that is wider (-1 and 65535 for the same 16 bits). multiple: the
    value's alignment, whose zero bits are not stored. zero_is: what a stored 0 means.
    reads_zero: register number 0 stands for the value 0, and is written as `0`.
    """

    key: str
    name: str
    kind: Kind
    meaning: str
    boxes: tuple[tuple[str, int, int], ...]
    pieces: tuple[tuple[int, int], ...]
    nbits: int
    lo: int
    hi: int
    accept_lo: int
    accept_hi: int
    multiple: int
    zero_is: int
    reads_zero: bool

    @property
    def field_mask(self) -> int:
        """The bits of the word that it fills."""
        return sum(mask(first, last, 32) for first, last in self.pieces)

    def insert(self, value: int) -> int:
        """The bits that `value` sets in the word; the value is not checked."""
        if self.multiple != 1:
            value //= self.multiple
        if len(self.pieces) == 1:
            first, last = self.pieces[0]
            return (value & ((2 << (last - first)) - 1)) << (31 - last)
        word = 0
        for first, last in reversed(self.pieces):
            width = last - first + 1
            word |= (value & ((1 << width) - 1)) << (31 - last)
            value >>= width
        return word

    def extract(self, word: int) -> int:
        """The value that the word holds; the inverse of insert()."""
        value = 0
        for first, last in self.pieces:
            ones = (2 << (last - first)) - 1
            value = value * (ones + 1) | (word >> (31 - last)) & ones
        if self.lo < 0:
            value = sign_extend(value, self.nbits)
        return value * self.multiple or self.zero_is

    def check(self, value: int, index: int | None = None) -> None:
        """Raise OperandError unless the slot can hold `value`."""
        if not self.accept_lo <= value <= self.accept_hi:
            raise OperandError(
                f"{self.name} must be between {self.accept_lo} and {self.accept_hi}, got {value}",
                index,
            )
        if value % self.multiple:
            raise OperandError(
                f"{self.name} must be a multiple of {self.multiple}, got {value}", index
            )
        if self.kind is Kind.MASK and not is_run_of_ones(value & 0xFFFFFFFF):
            raise OperandError(f"{self.name} must be one run of ones, got {value:#x}", index)


def is_run_of_ones(value: int) -> bool:
    """Whether the ones of a 32-bit value are adjacent, bit 31 being the neighbour of bit 0."""
    edges = value ^ ((value >> 1) | ((value & 1) << 31))
    return edges.bit_count() == 2 or value == 0xFFFFFFFF


OPERANDS: dict[str, Operand] = {}


def _operand(
    key: str,
    kind: Kind,
    place: str,
    meaning: str,
    *,
    lo: int | None = None,
    hi: int | None = None,
    signed: bool = False,
    wraps: bool = False,
    multiple: int = 1,
    zero_is: int = 0,
    reads_zero: bool = False,
    split: tuple[tuple[int, int], ...] | None = None,
) -> None:
    """Add one operand; `place` is its boxes as `LABEL first:last`, separated by spaces.

    The name is the key without its distinguishing tail (`L@15` is an L, at bit 15; `RA0` is an RA).
    wraps: an assembler takes the other reading of the same bits too.
    """
    words = place.split()
    boxes = []
    for label, span in zip(words[::2], words[1::2], strict=True):
        first, _, last = span.partition(":")
        boxes.append((label, int(first), int(last or first)))
    pieces = split or tuple((first, last) for _, first, last in boxes)
    nbits = sum(last - first + 1 for first, last in pieces)
    if lo is None:
        lo = -(1 << (nbits - 1)) * multiple if signed else 0
    if hi is None:
        hi = ((1 << (nbits - signed)) - 1) * multiple
    OPERANDS[key] = Operand(
        key=key,
        name="RA" if key == "RA0" else key.partition("@")[0],
        kind=kind,
        meaning=meaning,
        boxes=tuple(boxes),
        pieces=pieces,
        nbits=nbits,
        lo=lo,
        hi=hi,
        accept_lo=min(lo, -(1 << (nbits - 1))) if wraps else 0 if zero_is else lo,
        accept_hi=max(hi, (1 << nbits) - 1) if wraps else hi,
        multiple=multiple,
        zero_is=zero_is,
        reads_zero=reads_zero,
    )


# ruff: noqa: E501  rows of the table are one line each
# fmt: off
#        name     kind                  boxes          meaning
_operand("RT",    Kind.GPR,             "RT 6:10",     "target register")
_operand("RS",    Kind.GPR,             "RS 6:10",     "source register")
_operand("RA",    Kind.GPR,             "RA 11:15",    "register")
_operand("RA0",   Kind.GPR,             "RA 11:15",    "register, or the value 0 if it is 0", reads_zero=True)
_operand("RB",    Kind.GPR,             "RB 16:20",    "register")
_operand("RC",    Kind.GPR,             "RC 21:25",    "register")
_operand("RTp",   Kind.GPR,             "RTp 6:10",    "even-odd pair of target registers")
_operand("RSp",   Kind.GPR,             "RSp 6:10",    "even-odd pair of source registers")
_operand("BF",    Kind.CRF,             "BF 6:8",      "target CR field")
_operand("BFA",   Kind.CRF,             "BFA 11:13",   "source CR field")
_operand("BT",    Kind.CRBIT,           "BT 6:10",     "target CR bit")
_operand("BA",    Kind.CRBIT,           "BA 11:15",    "source CR bit")
_operand("BB",    Kind.CRBIT,           "BB 16:20",    "source CR bit")
_operand("BC",    Kind.CRBIT,           "BC 21:25",    "source CR bit")
_operand("BI",    Kind.CRBIT,           "BI 11:15",    "CR bit that the branch tests")
_operand("BO",    Kind.UNSIGNED,        "BO 6:10",     "branch condition: what is tested, and the hint")
_operand("BH",    Kind.UNSIGNED,        "BH 19:20",    "hint: how the target is used")
_operand("SPR",   Kind.SPR,             "SPR 11:20",   "number of a special purpose register",
         split=((16, 20), (11, 15)))
_operand("TBR",   Kind.SPR,             "TBR 11:20",   "268: Time Base, 269: its upper half",
         split=((16, 20), (11, 15)), lo=268, hi=269)
_operand("SI",    Kind.SIGNED,          "SI 16:31",    "signed immediate", signed=True)
_operand("SI@s",  Kind.SIGNED,          "SI 16:31",    "signed immediate, for the upper halfword",
         signed=True, wraps=True)
_operand("UI",    Kind.UNSIGNED,        "UI 16:31",    "unsigned immediate")
_operand("UI@c",  Kind.UNSIGNED,        "UI 16:31",    "unsigned immediate", wraps=True)
_operand("D",     Kind.DISPLACEMENT,    "D 16:31",     "signed displacement", signed=True)
_operand("DS",    Kind.DISPLACEMENT,    "DS 16:29",    "signed displacement, a multiple of 4",
         signed=True, multiple=4)
_operand("DQ",    Kind.DISPLACEMENT,    "DQ 16:27",    "signed displacement, a multiple of 16",
         signed=True, multiple=16)
_operand("D@x",   Kind.SIGNED,          "d0 16:25 d1 11:15 d2 31", "signed immediate, for the upper halfword",
         signed=True, wraps=True)
_operand("LI",    Kind.BRANCH_RELATIVE, "LI 6:29",     "distance to the target", signed=True, multiple=4)
_operand("LI@a",  Kind.BRANCH_ABSOLUTE, "LI 6:29",     "address of the target", signed=True, multiple=4)
_operand("BD",    Kind.BRANCH_RELATIVE, "BD 16:29",    "distance to the target", signed=True, multiple=4)
_operand("BD@a",  Kind.BRANCH_ABSOLUTE, "BD 16:29",    "address of the target", signed=True, multiple=4)
_operand("SH",    Kind.UNSIGNED,        "SH 16:20",    "shift amount")
_operand("MB",    Kind.UNSIGNED,        "MB 21:25",    "first bit of the mask, 0 = most significant of 32")
_operand("ME",    Kind.UNSIGNED,        "ME 26:30",    "last bit of the mask")
_operand("sh",    Kind.UNSIGNED,        "sh 30 sh 16:20", "shift amount")
_operand("mb",    Kind.UNSIGNED,        "mb 21:26",    "first bit of the mask, 0 = most significant of 64",
         split=((26, 26), (21, 25)))
_operand("me",    Kind.UNSIGNED,        "me 21:26",    "last bit of the mask",
         split=((26, 26), (21, 25)))
_operand("NB",    Kind.UNSIGNED,        "NB 16:20",    "number of bytes, 1 to 32", lo=1, hi=32, zero_is=32)
_operand("FXM",   Kind.UNSIGNED,        "FXM 12:19",   "mask of CR fields, most significant bit = CR0")
_operand("TO",    Kind.UNSIGNED,        "TO 6:10",     "conditions that trap")
_operand("L",     Kind.UNSIGNED,        "L 10",        "0: 32-bit operands, 1: 64-bit operands")
_operand("L@9",   Kind.UNSIGNED,        "L 9:10",      "variant")
_operand("L@14",  Kind.UNSIGNED,        "L 14:15",     "format of the number")
_operand("L@15",  Kind.UNSIGNED,        "L 15",        "variant")
_operand("EH",    Kind.UNSIGNED,        "EH 31",       "hint: the word is a lock that this program will release")
_operand("CY",    Kind.UNSIGNED,        "CY 21:22",    "which carry: 0 = OV")
_operand("TH",    Kind.UNSIGNED,        "TH 6:10",     "kind of touch")
_operand("TH@ct", Kind.UNSIGNED,        "TH 6:10",     "kind of touch: a block for a cache level", hi=7)
_operand("TH@ds", Kind.UNSIGNED,        "TH 6:10",     "kind of touch: a stream", lo=8, hi=15)
_operand("CT",    Kind.UNSIGNED,        "CT 7:10",     "cache level")
_operand("WC",    Kind.UNSIGNED,        "WC 9:10",     "what ends the wait")
_operand("LEV",   Kind.UNSIGNED,        "LEV 20:26",   "0: the operating system, 1: the hypervisor is called")
_operand("IH",    Kind.UNSIGNED,        "IH 8:10",     "hint: which entries may stay")
_operand("RIC",   Kind.UNSIGNED,        "RIC 12:13",   "what is invalidated")
_operand("PRS",   Kind.UNSIGNED,        "PRS 14",      "1: process scoped")
_operand("R",     Kind.UNSIGNED,        "R 15",        "1: radix tree translation")
# Operands that only extended mnemonics have.
_operand("NSI",   Kind.SIGNED,          "",            "signed immediate, subtracted", lo=-32767, hi=32768)
_operand("NSI@s", Kind.SIGNED,          "",            "signed immediate, subtracted", lo=-65535, hi=32768)
_operand("n@32",  Kind.UNSIGNED,        "",            "number of bits", lo=0, hi=31)
_operand("n@4",   Kind.UNSIGNED,        "",            "number of the register", lo=0, hi=3)
_operand("n@31",  Kind.UNSIGNED,        "",            "number of bits", lo=1, hi=31)
_operand("n@1",   Kind.UNSIGNED,        "",            "number of bits", lo=1, hi=32)
_operand("b@32",  Kind.UNSIGNED,        "",            "first bit", lo=0, hi=31)
_operand("n@64",  Kind.UNSIGNED,        "",            "number of bits", lo=0, hi=63)
_operand("n@63",  Kind.UNSIGNED,        "",            "number of bits", lo=1, hi=63)
_operand("n@2",   Kind.UNSIGNED,        "",            "number of bits", lo=1, hi=64)
_operand("b@64",  Kind.UNSIGNED,        "",            "first bit", lo=0, hi=63)
_operand("BM",    Kind.MASK,            "",            "mask: one run of ones, which may wrap",
         lo=-(1 << 31), hi=(1 << 32) - 1)
