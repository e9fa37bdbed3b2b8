"""Sections whose entries may be merged (SHF_MERGE): equal ones become one, and so do tails.

Strings end with a zero of the section's entry size; one that another ends with is part of that one,
where its alignment allows it. Which entries stay, and in which order, is as GNU ld has it, so that
programs have the same bytes. A section is merged if its contents are known before addresses are.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .sections import SHF_MERGE, SHF_STRINGS, SHT_NOBITS, Fragment, Place
from .symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .expressions import Code
    from .sections import Section
    from .state import State


@dataclass(slots=True, eq=False)
class Entry:
    """One constant, or a string with its end. align: of the strictest place that has it.

    whole: the string that this one is the tail of. place: where it lies in the merged section.
    """

    data: bytes
    align: int
    whole: Entry | None = None
    place: int = 0

    def position(self) -> int:
        """Where its first byte is in the merged section."""
        if self.whole is None:
            return self.place
        return self.whole.position() + len(self.whole.data) - len(self.data)


class Moved:
    """Where the bytes of a section have gone."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._entries: list[Entry] = []
        self.end = (0, 0)  # before and after
        self.padding = 0  # where a zero between strings is now: an empty string

    def add(self, start: int, entry: Entry) -> None:
        """Note what lies from `start` on; in order."""
        self._starts.append(start)
        self._entries.append(entry)

    def __call__(self, offset: int) -> int:
        """The new offset of an old one."""
        before, after = self.end
        if offset >= before or not self._starts:
            return after + offset - before
        index = bisect_right(self._starts, offset) - 1
        entry, inside = self._entries[index], offset - self._starts[index]
        return entry.position() + inside if inside < len(entry.data) else self.padding


def merge_sections(state: State) -> None:
    """Merge what can be. Differences within a section count from before that."""
    written = {id(fixup.place.fragment) for fixup in state.data_fixups}
    written |= {id(fixup.place.fragment) for fixup in state.insn_fixups}
    wanted: dict[int, Section] = {}
    for section in state.sections.values():
        fragment = section.pieces[0].fragments[0]
        if _can_be_merged(section) and id(fragment) not in written:
            wanted[id(fragment)] = section
    if not wanted:
        return
    _settle_differences(state, wanted)
    for section in wanted.values():
        _merge(section)


def _can_be_merged(section: Section) -> bool:
    fragment = section.pieces[0].fragments[0]
    size, align = section.entsize, section.align
    if not section.flags & SHF_MERGE or section.type == SHT_NOBITS or not size:
        return False
    if len(section.pieces) > 1 or section.pieces[0].fixed or fragment.tail is not None:
        return False
    if not fragment.data or len(fragment.data) % size:
        return False
    if section.flags & SHF_STRINGS and any(fragment.data[-size:]):
        return False  # the last string has no end
    if size < align:
        return bool(section.flags & SHF_STRINGS) and not size & (size - 1)
    return size % align == 0


def _settle_differences(state: State, wanted: dict[int, Section]) -> None:
    """Give distances between places of one such section the values they have now."""

    def settled(code: Code) -> Code:
        inside = [leaf for leaf in code if _fragment(leaf) in wanted]
        if len(inside) < 2:
            return code
        value = state.known(code)
        return code if value is None else (value,)

    for data_fixup in state.data_fixups:
        data_fixup.code = settled(data_fixup.code)
    for insn_fixup in state.insn_fixups:
        insn_fixup.values = [
            code if isinstance(code, int) else settled(code) for code in insn_fixup.values
        ]
    for symbol in state.symbols.values():
        if isinstance(symbol.size, tuple):
            symbol.size = settled(symbol.size)


def _fragment(leaf: object) -> int:
    """Which fragment a part of an expression lies in."""
    value = leaf.value if isinstance(leaf, Symbol) else leaf
    return id(value.fragment) if isinstance(value, Place) else 0


def _merge(section: Section) -> None:
    fragment = section.pieces[0].fragments[0]
    moved = Moved()
    strings = bool(section.flags & SHF_STRINGS)
    entries: dict[bytes, Entry] = {}
    order: list[Entry] = []
    found = list(_strings(fragment, section) if strings else _constants(fragment, section))
    for _, data, align in found:
        entry = entries.get(data)
        if entry is None or entry.align < align:
            if entry is not None:
                order.remove(entry)  # the stricter copy takes its place, at the end
            entries[data] = Entry(data, align)
            order.append(entries[data])
    if strings:
        _merge_tails(order, section.entsize)
    size = _place(order)
    if strings and len(fragment.data) % section.align == 0:
        size += -size % section.align  # what ended on a boundary still does
    for start, data, _ in found:
        moved.add(start, entries[data])
    moved.padding = _empty(entries, order, section.entsize)
    moved.end = (len(fragment.data), size)
    contents = bytearray(size)
    for entry in order:
        if entry.whole is None:
            contents[entry.place : entry.place + len(entry.data)] = entry.data
    fragment.unmerged, fragment.data, fragment.moved = bytes(fragment.data), contents, moved


def _empty(entries: dict[bytes, Entry], order: list[Entry], size: int) -> int:
    """Where an empty string is: one of its own, else the end of the first string that stays."""
    empty = entries.get(bytes(size))
    if empty is not None:
        return empty.position()
    first = next(entry for entry in order if entry.whole is None)
    return first.place + len(first.data) - size


def _constants(fragment: Fragment, section: Section) -> Iterator[tuple[int, bytes, int]]:
    """Offset, bytes and alignment of each constant."""
    size = section.entsize
    for start in range(0, len(fragment.data), size):
        yield start, bytes(fragment.data[start : start + size]), 1


def _strings(fragment: Fragment, section: Section) -> Iterator[tuple[int, bytes, int]]:
    """Offset, bytes with the end, and alignment of each string.

    Zeros between strings are padding; the first one at an aligned place may be an empty string.
    """
    data, size, mask = bytes(fragment.data), section.entsize, section.align - 1
    zero = bytes(size)
    position, had_empty = 0, False
    while position < len(data):
        end = position
        while end < len(data) and data[end : end + size] != zero:
            end += size
        align = min(position & -position, mask + 1) or mask + 1
        yield position, data[position:end] + zero, align
        position = end + size
        while data[position : position + size] == zero:
            if not had_empty and not position & mask:
                had_empty = True
                yield position, zero, mask + 1
            position += size


def _merge_tails(order: list[Entry], size: int) -> None:
    """Find the strings that end as others do: sorted from their ends, those are neighbours."""
    aligns = {entry.align for entry in order}
    by_length = len(aligns) == 1 and max(aligns) > size
    mask = max(aligns) - 1 if by_length else 0

    def key(entry: Entry) -> tuple[int, bytes]:
        text = entry.data[:-size]
        return len(text) & mask, text[::-1]

    ranked = sorted(order, key=key, reverse=True)
    whole = ranked[0]
    for entry in ranked[1:]:
        distance = len(whole.data) - len(entry.data)
        if (
            whole.align >= entry.align
            and distance > 0
            and not distance & (entry.align - 1)
            and whole.data.endswith(entry.data)
        ):
            entry.whole = whole
        else:
            whole = entry


def _place(order: list[Entry]) -> int:
    """Lay the entries that stay one after the other; how many bytes they are."""
    size = 0
    for entry in order:
        if entry.whole is None:
            entry.place = size + -size % entry.align
            size = entry.place + len(entry.data)
    return size
