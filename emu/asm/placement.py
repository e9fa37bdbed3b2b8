"""Directives that choose where the next byte goes: sections, `.org`, alignment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .sections import (
    GROUP_NOPS,
    NOP,
    SHF_ALLOC,
    SHF_EXCLUDE,
    SHF_EXECINSTR,
    SHF_GROUP,
    SHF_LINK_ORDER,
    SHF_MERGE,
    SHF_STRINGS,
    SHF_TLS,
    SHF_WRITE,
    SHT_FINI_ARRAY,
    SHT_INIT_ARRAY,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_PREINIT_ARRAY,
    SHT_PROGBITS,
    Piece,
    Section,
    Tail,
    code_padding,
)
from .state import ADDRESS_LIMIT, MistakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler
    from .scan import Statement

_FLAGS = {
    "a": SHF_ALLOC, "w": SHF_WRITE, "x": SHF_EXECINSTR, "M": SHF_MERGE, "S": SHF_STRINGS,
    "G": SHF_GROUP, "T": SHF_TLS, "e": SHF_EXCLUDE, "o": SHF_LINK_ORDER, "?": 0, "R": 0, "d": 0,
}  # fmt: skip
_TYPES = {
    "progbits": SHT_PROGBITS, "nobits": SHT_NOBITS, "note": SHT_NOTE,
    "init_array": SHT_INIT_ARRAY, "fini_array": SHT_FINI_ARRAY,
    "preinit_array": SHT_PREINIT_ARRAY,
}  # fmt: skip
MAX_ALIGN = 16  # as a power of two
_FIELD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^",]*?)\s*(?:,|$)')


def _go(name: str) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        text = statement.args.strip()
        if text and text != "0":
            raise asm.whole(f"{statement.head} takes no subsection but 0", text[:40])
        asm.switch(asm.open_section(name))

    return directive


def _section(asm: Assembler, statement: Statement) -> None:
    asm.switch(_named_section(asm, statement))


def _named_section(asm: Assembler, statement: Statement) -> Section:
    fields = _fields(statement.args)
    name = fields[0][0].strip('"') if fields else ""
    if not name or not name.isprintable():
        raise asm.whole(f"{statement.head} takes a name")
    known = name in asm.sections
    section = asm.open_section(name)
    if len(fields) == 1:
        return section
    flags, entsize, position = 0, 0, 1
    text, column = fields[1]
    if text.startswith('"'):
        position = 2
        for offset, letter in enumerate(text[1:-1]):
            if letter not in _FLAGS:
                raise MistakeError(
                    "section flags are letters of awxMSGTeo?",
                    statement.args_column + column + 1 + offset,
                    1, f"`{letter}` is none",
                )  # fmt: skip
            flags |= _FLAGS[letter]
    kind = section.type
    if position < len(fields):
        text, column = fields[position]
        word = text.strip('"').lstrip("@%").lower()
        if word in _TYPES or word.startswith("0x"):
            kind = _TYPES.get(word, SHT_PROGBITS)
            position += 1
        elif text[:1] in "@%":
            raise MistakeError(
                "a section type is @progbits, @nobits, @note or an array's",
                statement.args_column + column, max(len(text), 1), "unknown",
            )  # fmt: skip
    if flags & SHF_MERGE and position < len(fields):
        text, column = fields[position]
        if not re.fullmatch(r"[0-9]{1,6}|0x[0-9a-fA-F]{1,4}", text):
            raise MistakeError(
                "a merged section has an entry size", statement.args_column + column,
                max(len(text), 1), "not a size",
            )  # fmt: skip
        entsize = int(text, 0)
        position += 1
    if flags & SHF_GROUP and position < len(fields):
        position += 1  # the linker's business
    if known and section.name not in (".text", ".data", ".bss"):
        if (section.flags, section.type) != (flags, kind) and _has_bytes(section):
            asm.warn(
                statement.head_column, len(statement.head),
                "a section keeps the flags and type it was opened with", f"{name} has others",
            )  # fmt: skip
            return section
    elif known and (section.flags, section.type) != (flags, kind):
        return section
    section.flags, section.type, section.entsize = flags, kind, entsize
    return section


def _has_bytes(section: Section) -> bool:
    return any(fragment.size for piece in section.pieces for fragment in piece.fragments)


def _fields(text: str) -> list[tuple[str, int]]:
    """The comma-separated fields of `.section`, with their columns."""
    found: list[tuple[str, int]] = []
    position = 0
    while position <= len(text):
        match = _FIELD.match(text, position)
        if match is None:
            found.append((text[position:].strip(), position))
            break
        found.append((match.group(1), match.start(1)))
        if match.end() >= len(text) and not text[match.start() : match.end()].rstrip().endswith(
            ","
        ):
            break
        position = match.end()
    return found


def _push(asm: Assembler, statement: Statement) -> None:
    section = _named_section(asm, statement)
    asm.section_stack.append((asm.section, asm.previous))
    if len(asm.section_stack) > 1000:
        raise asm.whole(".pushsection may nest 1000 deep")
    asm.switch(section)


def _pop(asm: Assembler, _statement: Statement) -> None:
    if not asm.section_stack:
        raise asm.whole(".popsection closes a .pushsection", "none is open")
    asm.section, asm.previous = asm.section_stack.pop()


def _previous(asm: Assembler, _statement: Statement) -> None:
    asm.switch(asm.previous)


def _org(asm: Assembler, statement: Statement) -> None:
    operands = asm.sparse_operands(statement)
    if not 1 <= len(operands) <= 2 or operands[0] is None:
        raise asm.whole(".org takes an address and a fill byte")
    target = operands[0]
    fill_operand = operands[1] if len(operands) == 2 else None
    fill = asm.number(statement, fill_operand, "the fill byte") & 0xFF if fill_operand else 0
    if target.base is not None or target.modifier >= 0:
        raise asm.at(statement, target, "the address must be a number")
    code = asm.bind(statement, target.value)
    here = asm.offset_now()
    if isinstance(code, int):
        if not 0 <= code < ADDRESS_LIMIT:
            raise asm.at(
                statement, target, f"an address must be between 0 and {ADDRESS_LIMIT - 1:#x}",
                f"{code:#x}",
            )  # fmt: skip
        if not asm.relocatable and asm.section.allocated:
            if fill_operand and asm.section.pieces[-1].fixed and here is not None and code >= here:
                asm.reserve(code - here, bytes([fill]))
            elif code != here:
                asm.section.pieces.append(Piece(asm.section, code, asm.line))
            return
        size = None if here is None else code - here
    else:
        size = asm.known((*code, asm.here(), "-"))
    if size is None:
        column, width = asm.span(statement, target.first, target.stop)
        asm.variable(Tail("org", asm.line, column, width, code, fill=bytes([fill])))
        return
    if size < 0:
        raise asm.at(
            statement, target, "within a section .org moves forward only",
            f"{-size} bytes back",
        )  # fmt: skip
    asm.reserve(size, bytes([fill]))


def _align(*, power: bool, unit: int = 1) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        numbers = asm.numbers(statement, "the alignment", "the fill", "the limit")
        amount, fill, limit = numbers
        amount = amount or 0
        if power:
            if not 0 <= amount <= MAX_ALIGN:
                raise asm.whole(
                    f"{statement.head} takes a power of two up to {MAX_ALIGN}",
                    f"2 to the power {amount}",
                )  # fmt: skip
            amount = 1 << amount
        if amount == 0:
            amount = 1
        if amount < 0 or amount & (amount - 1) or amount > 1 << MAX_ALIGN:
            raise asm.whole(f"alignment must be a power of two up to {1 << MAX_ALIGN}", f"{amount}")
        pattern = None
        if fill is not None:
            pattern = (fill & ((1 << 8 * unit) - 1)).to_bytes(unit, asm.order)
        align(asm, statement, amount, pattern, limit or 0)

    return directive


def align(
    asm: Assembler, statement: Statement, amount: int, pattern: bytes | None, limit: int = 0
) -> None:
    """Advance to a multiple of `amount`, by at most `limit` bytes if that is not 0."""
    section = asm.section
    section.align = max(section.align, amount)
    if pattern is None and not section.flags & SHF_EXECINSTR:
        pattern = b"\0"
    offset = asm.offset_now()
    if offset is None:
        if amount > 1:
            asm.variable(
                Tail(
                    "align", asm.line, statement.head_column, len(statement.head),
                    amount=amount, limit=limit, fill=pattern,
                    last_nop=GROUP_NOPS.get(asm.machine, NOP),
                )
            )  # fmt: skip
        return
    size = -offset % amount
    if not size or (limit and size > limit):
        return
    if pattern is None:
        asm.emit(code_padding(size, big=asm.big, last=GROUP_NOPS.get(asm.machine, NOP)))
    elif size % len(pattern):
        raise asm.whole(f"the padding must be a multiple of {len(pattern)}", f"it has {size} bytes")
    else:
        asm.reserve(size, pattern)


def _machine(asm: Assembler, statement: Statement) -> None:
    """`.machine NAME`: only alignment in code depends on it; every instruction is accepted."""
    name = statement.args.strip().strip('"').lower().replace("pwr", "power")
    if name == "push":
        if len(asm.machine_stack) >= 1000:
            raise asm.whole(".machine push may nest 1000 deep")
        asm.machine_stack.append(asm.machine)
    elif name == "pop":
        if not asm.machine_stack:
            raise asm.whole(".machine pop closes a .machine push", "none is open")
        asm.machine = asm.machine_stack.pop()
    elif not re.fullmatch(r"[a-z0-9_+.-]{1,20}", name):
        raise asm.whole(".machine takes the name of a processor, push or pop", name[:40])
    else:
        asm.machine = name


DIRECTIVES: Mapping[str, Callable[[Assembler, Statement], None]] = {
    ".text": _go(".text"),
    ".data": _go(".data"),
    ".bss": _go(".bss"),
    ".rodata": _go(".rodata"),
    ".section": _section,
    ".pushsection": _push,
    ".popsection": _pop,
    ".previous": _previous,
    ".machine": _machine,
    ".org": _org,
    ".align": _align(power=True),
    ".p2align": _align(power=True),
    ".p2alignw": _align(power=True, unit=2),
    ".p2alignl": _align(power=True, unit=4),
    ".balign": _align(power=False),
    ".balignw": _align(power=False, unit=2),
    ".balignl": _align(power=False, unit=4),
}
