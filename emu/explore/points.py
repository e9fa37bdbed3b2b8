"""Which instructions of a guest are scheduling points, and what each of them may touch.

The search in C stops a thread before what others can see or change. What that is follows from the
instruction words alone, so it is worked out here, once, before the search begins.
"""

from __future__ import annotations

import enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from emu.isa.instruction import VARIES, Variant
from emu.isa.operands import Kind
from emu.isa.sprs import BY_NUMBER
from emu.isa.table import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_REGISTER = 32
DPDES, SRR0, SRR1 = 176, 26, 27


class PointKind(enum.IntEnum):
    """What an instruction does that others may see: `emu_point_kind` of csrc/explore.abi.h."""

    PRIVATE = 0
    LOAD = 1
    STORE = 2
    RESERVE = 3
    CONDITIONAL = 4
    BLOCK = 5
    SEND = 6
    CLEAR = 7
    DPDES = 8
    OWN = 9
    RETURN = 10
    OPAQUE = 11
    END = 12
    CLOCK = 13
    HCALL = 14
    MSR = 15


STORAGE = frozenset({
    PointKind.LOAD, PointKind.STORE, PointKind.RESERVE, PointKind.CONDITIONAL, PointKind.BLOCK,
})  # fmt: skip


class Point(NamedTuple):
    """One instruction word. EA = (GPR ra, or 0) + (GPR rb, or disp); 32 stands for no register.

    dead: registers that nobody reads any more, see `liveness.py`.
    """

    kind: PointKind
    ra: int = NO_REGISTER
    rb: int = NO_REGISTER
    nbytes: int = 0
    disp: int = 0
    reads: int = 0
    writes: int = 0
    dead: int = 0


PRIVATE = Point(PointKind.PRIVATE)
OWN = Point(PointKind.OWN)
OPAQUE = Point(PointKind.OPAQUE)
CLOCK = Point(PointKind.CLOCK)
HCALL = Point(PointKind.HCALL)
END = Point(PointKind.END)
MSR = Point(PointKind.MSR)

# Instructions that turn MSR[EE] off or depend on SRR0 and SRR1: an interrupt of the own thread
# must be able to get in front of them.
_OWN = frozenset({"sc", "hrfid", "tw", "twi", "td", "tdi", "stop", "nap",
                  "doze", "sleep", "rvwinkle", "wait"})  # fmt: skip


# What counts on while the thread does nothing.
_CLOCKS = frozenset({"tb", "tbu", "vtb", "dec", "purr", "spurr", "ic"})


@lru_cache(maxsize=1 << 16)
def classify(word: int) -> Point:
    """The point of one word, without its cells; an unknown word is opaque."""
    variant = decode(word)
    return OPAQUE if variant is None else _classify(variant, word)


def _classify(variant: Variant, word: int) -> Point:
    name = variant.insn.name
    operands = {o.key: o.extract(word) for o in variant.operands}
    if variant.insn.load or variant.insn.store:
        return _storage(variant, operands)
    match name:
        case "msgsndp":
            return Point(PointKind.SEND, rb=operands["RB"])
        case "msgclrp":
            return Point(PointKind.CLEAR)
        case "mfspr" if operands["SPR"] == DPDES:
            return Point(PointKind.DPDES)
        case "mfspr" | "mtspr":
            row = BY_NUMBER.get(operands["SPR"])
            if row is None or row.facility or row.number in (SRR0, SRR1):
                return OWN  # may interrupt, or is what an interrupt changes
            return CLOCK if name == "mfspr" and row.name in _CLOCKS else PRIVATE
        case "rfid":
            return Point(PointKind.RETURN)
        case "mtmsr" | "mtmsrd":
            return MSR
        case "darn":
            return OPAQUE
        case "sc" if operands["LEV"]:
            return HCALL
        case _ if name in _OWN:
            return OWN
        case _ if variant.insn.facility or variant.insn.privilege == "hypervisor":
            return OWN  # may interrupt
        case _:
            return PRIVATE


def _storage(variant: Variant, operands: Mapping[str, int]) -> Point:
    """The point of a load or store: its address and how many bytes it touches."""
    insn = variant.insn
    nbytes = insn.load or insn.store
    base = operands.get("RA0", operands.get("RA", 0))
    ra = NO_REGISTER if base == 0 and "RA0" in operands else base
    rb = operands.get("RB", NO_REGISTER)
    if nbytes == VARIES:
        if "NB" in operands:
            nbytes = operands["NB"]
        elif rb == NO_REGISTER:
            nbytes = 4 * (32 - operands.get("RT", operands.get("RS", 0)))
        else:
            return OPAQUE  # as long as XER says
    disp = next((operands[k] for k in ("D", "DS", "DQ") if k in operands), 0)
    if insn.name == "dcbz":
        kind = PointKind.BLOCK
    elif insn.name.endswith("arx"):
        kind = PointKind.RESERVE
    elif insn.name.endswith("cx_"):
        kind = PointKind.CONDITIONAL
    else:
        kind = PointKind.LOAD if insn.load else PointKind.STORE
    return Point(kind, ra, rb, nbytes, disp)


# ---- registers, for what an interrupt handler may get in between ------------------------------

_CARRIES = ("addic", "addc", "adde", "addme", "addze", "subfic", "subfc", "subfe", "subfme",
            "subfze", "sraw", "srad", "mcrxrx", "lswx", "stswx")  # fmt: skip


@cache
def registers(word: int) -> frozenset[str | int]:
    """Everything of its thread that an instruction may read or write: GPR numbers and names.

    More than it does touch is harmless: it only adds scheduling points.
    """
    variant = decode(word)
    if variant is None:
        return frozenset()
    insn, name = variant.insn, variant.insn.name
    operands = [(o, o.extract(word)) for o in variant.operands]
    touched: set[str | int] = {value for o, value in operands if o.kind is Kind.GPR}
    if VARIES in (insn.load, insn.store):
        first = next(value for o, value in operands if o.key in ("RT", "RS"))
        touched.update((first + i) % 32 for i in range(32))
    if any(o.key in ("RTp", "RSp") for o, _ in operands):
        touched.update({value + 1 for o, value in operands if o.key in ("RTp", "RSp")})
    for o, value in operands:
        if o.kind is Kind.SPR:
            touched.add({1: "xer", 8: "lr", 9: "ctr"}.get(value, f"spr{value}"))
    flags = any(o.kind in (Kind.CRF, Kind.CRBIT) for o, _ in operands) or "cr" in name
    if variant.rc or flags or name.endswith("cx_") or name.startswith("cmp"):
        touched.update({"cr", "xer"})
    if variant.oe or name.startswith(_CARRIES):
        touched.add("xer")
    if variant.lk or name == "bclr":
        touched.add("lr")
    if name == "bcctr" or (name.startswith("bc") and not _keeps_ctr(operands)):
        touched.add("ctr")
    return frozenset(touched)


def _keeps_ctr(operands: Iterable[tuple[object, int]]) -> bool:
    """Whether a conditional branch leaves CTR alone: BO bit 2 (value 4)."""
    return bool(next(value for _, value in operands) & 4)


@lru_cache(maxsize=4096)
def _own(point: Point) -> Point:
    return point._replace(kind=PointKind.OWN)


def around_handlers(
    points: Mapping[int, Point],
    words: Mapping[int, int],
    handlers: Iterable[int],
) -> dict[int, Point]:
    """Make private instructions that share a register with a handler points of their own kind.

    points, words: by address. handlers: addresses of handler code. A handler that runs between
    two such instructions sees the difference, so the search must be able to stop there.
    """
    shared: set[str | int] = set()
    for address in handlers:
        shared |= registers(words[address])
    return {
        address: _own(point)
        if point.kind is PointKind.PRIVATE and not shared.isdisjoint(registers(words[address]))
        else point
        for address, point in points.items()
    }
