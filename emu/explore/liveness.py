"""Which registers of its thread nobody can read any more, from each instruction on.

Two states that differ only in such registers have the same future, so a search may take them for
one. Backward over the code: an instruction's registers are read by it or by what follows, unless
it writes them first. What is not certain counts as read: an unknown word, an indirect branch, an
update of part of a register.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from emu.explore.footprint import successors
from emu.explore.points import END, PRIVATE, Point, PointKind, registers
from emu.isa.instruction import VARIES
from emu.isa.operands import Kind
from emu.isa.table import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Bits of emu_point.dead: the GPRs by number, then these.
SPECIAL: Final = {"cr": 32, "xer": 33, "lr": 34, "ctr": 35}
EVERYTHING: Final = (1 << 36) - 1

_HCALL_ARGUMENTS: Final = sum(1 << r for r in range(3, 13))
_SRRS: Final = frozenset({"spr26", "spr27"})
# Their target holds bits that they leave alone.
_INSERTS: Final = frozenset({"rlwimi", "rldimi"})
# They write the field of CR that they name, or CR0, and read at most XER[SO].
_SETS_CR: Final = frozenset({"cmp", "cmpi", "cmpl", "cmpli"})


def register_bit(name: str) -> int:
    """The bit of a register, by its name: r0 to r31, cr, xer, lr, ctr."""
    return SPECIAL[name] if name in SPECIAL else int(name[1:])


def with_dead(
    points: Mapping[int, Point],
    words: Mapping[int, int],
    handlers: Collection[int],
    watched: Mapping[int, int],
) -> dict[int, Point]:
    """Say of every point what is dead when its thread comes to stand before it.

    points, words: by address. handlers: addresses of handler code, which may run in front of any
    other instruction and returns to it. watched: registers that others look at, as bits, by
    address: they are never dead there.
    """
    named = 0
    for word in words.values():
        named |= _bits(word)
    in_handlers = 0
    for address in handlers:
        in_handlers |= _bits(words[address])
        if _returns_elsewhere(words[address]):
            return dict(points)
    live = _live(points, words)
    done = dict(points)
    for address in points.keys() - handlers:
        dead = named & ~(live[address] | in_handlers | watched.get(address, 0))
        if dead:
            done[address] = _without(points[address], dead)
    return done


@lru_cache(maxsize=8192)  # programs of a campaign have the same instructions again and again
def _without(point: Point, dead: int) -> Point:
    return point._replace(dead=dead)


@cache
def _returns_elsewhere(word: int) -> bool:
    """Whether a handler with this word may return to another place than it came from."""
    return decode(word) is None or not _SRRS.isdisjoint(registers(word))


def _live(points: Mapping[int, Point], words: Mapping[int, int]) -> dict[int, int]:
    """What is read from each instruction on, before it is written.

    Threads' columns stand apart, and a branch from one into another is one to anywhere.
    """
    live: dict[int, int] = {}
    column: list[int] = []
    for address in (*sorted(points), None):
        if column and address != column[-1] + 4:
            ends = tuple(points[at].kind is PointKind.END for at in column)
            code = tuple(words[at] for at in column)
            live.update(zip(column, _live_in(column[0], code, ends), strict=True))
            column = []
        if address is not None:
            column.append(address)
    return live


@lru_cache(maxsize=4096)
def _live_in(start: int, code: tuple[int, ...], ends: tuple[bool, ...]) -> tuple[int, ...]:
    """The same for one column of code; many programs have the same ones."""
    addresses = range(start, start + 4 * len(code), 4)
    live = dict.fromkeys(addresses, 0)
    following = [
        successors(address, word, END if over else PRIVATE)
        for address, word, over in zip(addresses, code, ends, strict=True)
    ]
    order = list(reversed(list(zip(addresses, code, following, strict=True))))
    changed = True
    while changed:
        changed = False
        for address, word, nexts in order:
            reads, writes = _use(word)
            after = 0
            for n in nexts if nexts is not None else (None,):
                after |= live.get(n, EVERYTHING) if n is not None else EVERYTHING
            now = reads | (after & ~writes) if nexts != [] else 0
            if now != live[address]:
                live[address] = now
                changed = True
    return tuple(live.values())


@cache
def _bits(word: int) -> int:
    """Every register that an instruction may read or write; of an hcall, also in the host."""
    found = 0
    for register in registers(word):
        bit = register if isinstance(register, int) else SPECIAL.get(register)
        found |= 0 if bit is None else 1 << bit
    variant = decode(word)
    return found | _HCALL_ARGUMENTS if variant is not None and variant.insn.name == "sc" else found


@cache
def _use(word: int) -> tuple[int, int]:
    """(what an instruction may read, what it writes whatever happens)."""
    variant = decode(word)
    if variant is None:
        return EVERYTHING, 0
    insn = variant.insn
    operands = {o.key: o.extract(word) for o in variant.operands if o.kind is Kind.GPR}
    writes = reads = 0
    if "RT" in operands and VARIES not in (insn.load, insn.store):
        writes = 1 << operands.pop("RT")
    elif {"RS", "RA"} <= operands.keys() and not (insn.load or insn.store or insn.name in _INSERTS):
        writes = 1 << operands.pop("RA")
    for register in operands.values():
        reads |= 1 << register
    rest = _bits(word) & ~writes & ~reads
    if insn.name in _SETS_CR:
        rest &= ~(1 << SPECIAL["cr"])
    return reads | rest, writes
