"""Table-of-contents entries that a program at fixed addresses does not need.

A compiler that does not know where a symbol will be loads its address from a `.toc` entry. Here
it is known to be near the TOC pointer, so the load becomes an addition and the entry goes, as ld
does it (`--toc-optimize`, its default): the program's words are those that GNU as and ld give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encode import slots_for
from .expressions import ExpressionError
from .layout import TOC_ALIGN
from .modifiers import GOT
from .sections import Fragment, Piece, Place
from .state import DataFixup
from .symbols import Symbol

if TYPE_CHECKING:
    from .expressions import Code
    from .state import InsnFixup, State

ENTRY = 8
LOADS = ("ld", "lwa", "ldu")  # what shares an opcode with the load of an entry


def drop_entries(state: State) -> None:
    """Replace loads of `.toc` entries by additions where possible, and remove those entries."""
    section = state.sections.get(".toc")
    if section is None or len(section.pieces) != 1 or len(section.pieces[0].fragments) != 1:
        return
    fragment = section.fragment
    if fragment.tail is not None or fragment.hole or len(fragment.data) % ENTRY:
        return
    entries = {
        fixup.place.offset: fixup
        for fixup in state.data_fixups
        if fixup.place.fragment is fragment and _is_address(fixup)
    }
    users: dict[int, list[InsnFixup]] = {}
    kept: set[int] = set()
    for insn_fixup in state.insn_fixups:
        for code, modifier in zip(insn_fixup.values, insn_fixup.modifiers, strict=True):
            offset = None if isinstance(code, int) else _offset_in(state, code, fragment)
            if offset is None:
                continue
            if modifier == "toc@ha" or (modifier == "toc@l" and insn_fixup.mnemonic in LOADS):
                users.setdefault(offset, []).append(insn_fixup)
            else:
                kept.add(offset)
    for data_fixup in state.data_fixups:
        offset = _offset_in(state, data_fixup.code, fragment)
        if offset is not None:
            kept.add(offset)
    dropped = {offset for offset in users if offset in entries and offset not in kept}
    for offset in dropped:
        for user in users[offset]:
            _use_directly(user, entries[offset].code, "toc@l")
    if dropped:
        _remove(state, fragment, dropped)


def make_got(state: State) -> None:
    """Give `@got` its meaning: a load of an address becomes an addition, all else gets a slot.

    `.got` begins with the TOC pointer, as ld has it; slots follow in order of first use.
    """
    users = [fixup for fixup in state.insn_fixups if any(name in GOT for name in fixup.modifiers)]
    in_slots = {
        _got_target(fixup)
        for fixup in users
        if fixup.mnemonic not in LOADS and "got@ha" not in fixup.modifiers
    }
    slots: dict[Code, Place] = {}
    for fixup in users:
        target = _got_target(fixup)
        index, modifier = next((i, m) for i, m in enumerate(fixup.modifiers) if m in GOT)
        pairs_with_slot = target in in_slots and modifier != "got"
        if not pairs_with_slot and (fixup.mnemonic in LOADS or modifier == "got@ha"):
            fixup.modifiers[index] = "toc" + modifier.removeprefix("got")
            if fixup.mnemonic in LOADS:
                _use_directly(fixup, target, fixup.modifiers[index])
            continue
        if target not in slots:
            slots[target] = _got_slot(state, fixup, index)
        fixup.values[index] = (slots[target],)
        fixup.modifiers[index] = "toc" + modifier.removeprefix("got")


def _got_target(fixup: InsnFixup) -> Code:
    """What the slot of a `@got` operand holds."""
    pairs = zip(fixup.values, fixup.modifiers, strict=True)
    return next(code for code, name in pairs if name in GOT and isinstance(code, tuple))


def _got_slot(state: State, fixup: InsnFixup, index: int) -> Place:
    section = state.open_section(".got")
    section.align = max(section.align, TOC_ALIGN)
    fragment = section.fragment
    operand = [o for o in state.operands(fixup.statement) for _ in range(1 + (o.base is not None))][
        index
    ]
    codes: list[Code] = [] if fragment.data else [(state.symbol(".TOC."),)]
    codes.append(_got_target(fixup))
    for code in codes:
        place = Place(fragment, len(fragment.data))
        fragment.data += bytes(ENTRY)
        state.data_fixups.append(
            DataFixup(place, ENTRY, code, "", fixup.line, fixup.statement, operand)
        )
    return place


def _is_address(fixup: DataFixup) -> bool:
    """Whether an entry is the plain address of something that the program defines."""
    symbol = fixup.code[0]
    return (
        fixup.size == ENTRY
        and not fixup.modifier
        and fixup.place.offset % ENTRY == 0
        and isinstance(symbol, Symbol)
        and isinstance(symbol.value, Place)
        and (len(fixup.code) == 1 or (len(fixup.code) == 3 and isinstance(fixup.code[1], int)))
    )


def _offset_in(state: State, code: Code, fragment: Fragment) -> int | None:
    """Where in the fragment an expression points, None if elsewhere."""
    try:
        value = state.now(code)
    except ExpressionError:
        return None
    return value.number if isinstance(value.base, Piece) and value.base is fragment.piece else None


def _use_directly(fixup: InsnFixup, target: Code, modifier: str) -> None:
    """Make a user of an entry a user of what the entry points to."""
    if fixup.mnemonic in LOADS:  # ld RT,entry@toc@l(RA) -> addi RT,RA,target@toc@l
        target_register, _, base = fixup.values
        fixup.mnemonic = "addi"
        fixup.slots = slots_for("addi", "vvv")
        fixup.values = [target_register, base, target]
        fixup.modifiers = ["", "", modifier]
    else:
        index = next(i for i, code in enumerate(fixup.values) if not isinstance(code, int))
        fixup.values[index] = target


def _remove(state: State, fragment: Fragment, dropped: set[int]) -> None:
    """Take entries out of a fragment, and move what points behind them.

    The fragment keeps its size, with zeros at the end: the section stays where and what it was,
    and so does the TOC pointer.
    """

    def moved(offset: int) -> int:
        return offset - ENTRY * sum(1 for entry in dropped if entry < offset)

    size = len(fragment.data)
    fragment.data = bytearray(
        b"".join(
            fragment.data[offset : offset + ENTRY]
            for offset in range(0, len(fragment.data), ENTRY)
            if offset not in dropped
        ).ljust(size, b"\0")
    )
    state.data_fixups = [
        fixup
        for fixup in state.data_fixups
        if fixup.place.fragment is not fragment or fixup.place.offset not in dropped
    ]
    for fixup in state.data_fixups:
        if fixup.place.fragment is fragment:
            fixup.place = Place(fragment, moved(fixup.place.offset))
    for symbol in state.symbols.values():
        if isinstance(symbol.value, Place) and symbol.value.fragment is fragment:
            symbol.value = Place(fragment, moved(symbol.value.offset))
    for emission in state.emissions:
        if emission.fragment is fragment:
            emission.offset = moved(emission.offset)
