"""What each thread may still touch from each instruction on, for ample sets.

Forward, the values of registers that are certain (addresses are loaded once, and `xor r,a,a` is 0
whatever a is); backward, the union of what every path may touch. An address that is not certain
stands for any, an indirect branch for any path: the answer is never too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.explore.points import NO_REGISTER, STORAGE, Point, PointKind, classify, registers
from emu.isa.operands import Kind
from emu.isa.table import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emu.isa.instruction import Variant

MEMORY_BITS = 62  # cells with a bit of their own; more share the last
UNKNOWN = 1 << 62
DOORBELLS = 1 << 63
EVERYTHING = (1 << 64) - 1
MAX_WORDS = 4096  # a larger guest is not analysed: everything may touch everything

_ADDRESS_BITS = (1 << 60) - 1  # real mode ignores bits 0:3 of an effective address


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a thread begins, with the registers that are certain then (unnamed ones are 0)."""

    nia: int
    gpr: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Points with their cells, and which 8-byte granules (by address) the bits stand for."""

    points: dict[int, Point]
    cells: dict[int, int]


def analyse(
    points: Mapping[int, Point],
    words: Mapping[int, int],
    entries: Iterable[Entry],
    handlers: Iterable[int],
) -> Analysis:
    """Add reads and writes to every point.

    points, words: by address. handlers: addresses of handler code; when there is any, a handler
    may run anywhere, so its registers are never certain and what it touches is touched everywhere.
    """
    handlers = list(handlers)
    if len(points) > MAX_WORDS:
        everywhere = {a: p._replace(reads=EVERYTHING, writes=EVERYTHING) for a, p in points.items()}
        return Analysis(everywhere, {})
    volatile = {r for a in handlers for r in registers(words[a]) if isinstance(r, int)}
    known: dict[int, list[int | None]] = {}
    for entry in entries:
        _propagate(points, words, entry, volatile, known)
    for address in handlers:
        known[address] = [None] * 32
    cells = _Cells(any(p.kind is PointKind.RESERVE for p in points.values()))
    own = {a: _touched(p, known.get(a), cells) for a, p in points.items()}
    reads, writes = _remaining(points, words, own)
    for address in handlers:
        all_reads, all_writes = reads[address], writes[address]
        for other in points:
            reads[other] |= all_reads
            writes[other] |= all_writes
    done = {a: p._replace(reads=reads[a], writes=writes[a]) for a, p in points.items()}
    return Analysis(done, cells.granules)


class _Cells:
    """Bits for granules, given out in the order of asking."""

    def __init__(self, by_line: bool) -> None:
        self.granules: dict[int, int] = {}
        self._bits: dict[int, int] = {}
        self._unit = 128 if by_line else 8

    def mask(self, address: int, nbytes: int) -> int:
        """The bits of every granule that an access touches."""
        found = 0
        for granule in range(address & ~7, address + nbytes, 8):
            unit = granule // self._unit
            bit = self._bits.setdefault(unit, min(len(self._bits), MEMORY_BITS - 1))
            self.granules[granule] = bit
            found |= 1 << bit
        return found


def _touched(point: Point, gpr: list[int | None] | None, cells: _Cells) -> tuple[int, int]:
    """(reads, writes) of one instruction; gpr None: the instruction is not reached."""
    match point.kind:
        case PointKind.SEND | PointKind.CLEAR:
            return 0, DOORBELLS
        case PointKind.DPDES:
            return DOORBELLS, 0
        case PointKind.OPAQUE:
            return EVERYTHING, EVERYTHING
        case kind if kind in STORAGE:
            base = 0 if point.ra == NO_REGISTER else gpr[point.ra] if gpr else None
            index = point.disp if point.rb == NO_REGISTER else gpr[point.rb] if gpr else None
            if base is None or index is None or kind is PointKind.BLOCK:
                mask = UNKNOWN
            else:
                mask = cells.mask((base + index) & _ADDRESS_BITS, point.nbytes)
            # Reserving is ordered against stores of others, which end the reservation.
            return (mask, 0) if kind is PointKind.LOAD else (mask, mask)
        case _:
            return 0, 0


def _remaining(
    points: Mapping[int, Point],
    words: Mapping[int, int],
    own: Mapping[int, tuple[int, int]],
) -> tuple[dict[int, int], dict[int, int]]:
    """The union over all paths from each instruction on."""
    reads = {a: own[a][0] for a in points}
    writes = {a: own[a][1] for a in points}
    following = {a: successors(a, words[a], points[a]) for a in points}
    order = sorted(points, reverse=True)
    changed = True
    while changed:
        changed = False
        for address in order:
            nexts = following[address]
            if nexts is None or any(n not in points for n in nexts):
                r = w = EVERYTHING
            else:
                r, w = reads[address], writes[address]
                for n in nexts:
                    r |= reads[n]
                    w |= writes[n]
            if (r, w) != (reads[address], writes[address]):
                reads[address], writes[address] = r, w
                changed = True
    return reads, writes


def successors(address: int, word: int, point: Point) -> list[int] | None:
    """Where control may go next; None: anywhere."""
    if point.kind is PointKind.END:
        return []
    variant = decode(word)
    if variant is None:
        return None
    name = variant.insn.name
    if name in ("b", "bc"):
        target = next(o.extract(word) for o in variant.operands if o.kind in _TARGETS)
        target = target if variant.aa else address + target
        always = name == "b" or _always(variant, word)
        return [target] if always else [target, address + 4]
    # Interrupts that an instruction causes (sc, traps) lead into handlers, which count as
    # touched everywhere; without handlers they end the search.
    if name in ("bclr", "bcctr", "bctar", "rfid", "hrfid"):
        return None
    return [address + 4]


def leads_back(word: int, address: int) -> bool:
    """Whether control may go from an instruction to itself or one before it."""
    nexts = successors(address, word, classify(word))
    return nexts is None or any(following <= address for following in nexts)


_TARGETS = (Kind.BRANCH_RELATIVE, Kind.BRANCH_ABSOLUTE)


def _always(variant: Variant, word: int) -> bool:
    """Whether a conditional branch tests nothing: BO = 1z1zz."""
    bo = next(o.extract(word) for o in variant.operands if o.key == "BO")
    return bo & 0b10100 == 0b10100


def _propagate(
    points: Mapping[int, Point],
    words: Mapping[int, int],
    entry: Entry,
    volatile: set[int],
    known: dict[int, list[int | None]],
) -> None:
    """Merge into `known` the register values with which each instruction is reached."""
    start = [None if r in volatile else value for r, value in enumerate(entry.gpr)]
    work = [(entry.nia, start)]
    while work:
        address, values = work.pop()
        if address not in points:
            continue
        merged = known.get(address)
        if merged is None:
            now = list(values)
        else:
            now = [a if a == b else None for a, b in zip(merged, values, strict=True)]
            if now == merged:
                continue
        known[address] = now
        word = words[address]
        after = _execute(word, points[address], now)
        for register in volatile:
            after[register] = None
        nexts = successors(address, word, points[address])
        if nexts is None:
            work.extend((following, _uncertain()) for following in points)
        else:
            work.extend((following, after) for following in nexts)


def _uncertain() -> list[int | None]:
    return [None] * 32


def _execute(word: int, point: Point, gpr: list[int | None]) -> list[int | None]:
    """The registers after one instruction: what is not modelled is not certain."""
    after = list(gpr)
    variant = decode(word)
    if variant is None or point.kind is PointKind.END:
        return after
    operands = {o.key: o.extract(word) for o in variant.operands}
    name = variant.insn.name
    if name in ("addi", "addis"):
        base = 0 if operands["RA0"] == 0 else gpr[operands["RA0"]]
        number = operands["SI@s"] << 16 if name == "addis" else operands["SI"]
        value = None if base is None else base + number
        after[operands["RT"]] = _wrap(value)
        return after
    if name in ("or", "xor", "and"):
        after[operands["RA"]] = _logical(
            name, gpr[operands["RS"]], gpr[operands["RB"]], operands["RS"] == operands["RB"]
        )
        return after
    if name in ("add", "subf"):
        a, b = gpr[operands["RA"]], gpr[operands["RB"]]
        value = None if a is None or b is None else b + (a if name == "add" else -a)
        if name == "subf" and operands["RA"] == operands["RB"]:
            value = 0
        after[operands["RT"]] = _wrap(value)
        return after
    if name not in _WRITES_NO_GPR and point.kind not in (PointKind.SEND, PointKind.CLEAR):
        for register in registers(word):
            if isinstance(register, int) and not _only_read(variant, operands, register):
                after[register] = None
    if name == "sc":
        return [None] * 32
    return after


_WRITES_NO_GPR = frozenset({
    "b", "bc", "bclr", "bcctr", "cmp", "cmpi", "cmpl", "cmpli", "mtspr", "mtmsrd", "mtmsr", "sync",
    "isync", "eieio", "dcbz", "tw", "td", "twi", "tdi", "mtcrf", "mtocrf",
})  # fmt: skip


def _only_read(variant: Variant, operands: Mapping[str, int], register: int) -> bool:
    """Whether a storage access leaves this register as it is."""
    insn = variant.insn
    if not (insn.load or insn.store) or "RA" in operands:
        return False  # an update form writes its base
    if insn.store:
        return True
    return register != operands.get("RT") and insn.load in (1, 2, 4, 8)


def _logical(name: str, a: int | None, b: int | None, same: bool) -> int | None:
    if name == "xor" and same:
        return 0
    if name == "and" and 0 in (a, b):
        return 0
    if a is None or b is None:
        return a if same else None
    return {"or": a | b, "xor": a ^ b, "and": a & b}[name]


def _wrap(value: int | None) -> int | None:
    return None if value is None else value & ((1 << 64) - 1)
