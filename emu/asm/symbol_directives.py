"""Directives about symbols, and those that describe the source to debuggers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .expressions import ExpressionError
from .placement import align
from .scan import split_statement
from .state import MistakeError
from .symbols import GLOBAL, LOCAL, OBJECT, TYPES, WEAK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler
    from .expressions import Code
    from .scan import Statement

_NAME = re.compile(r'\s*(?:"([^"]+)"|([A-Za-z_.$][\w.$]*))\s*', re.ASCII)


def _names(statement: Statement) -> list[str]:
    """Comma-separated symbol names. Raises MistakeError."""
    found = []
    column = statement.args_column
    for text in statement.args.split(","):
        match = _NAME.fullmatch(text)
        if match is None:
            raise MistakeError(
                f"{statement.head} takes symbols", column, max(len(text), 1), "not a symbol"
            )
        found.append(match.group(1) or match.group(2))
        column += len(text) + 1
    return found


def _bind(binding: int) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        for name in _names(statement):
            symbol = asm.symbol(name)
            symbol.binding = binding
            symbol.declared = True

    return directive


def _visibility(value: int) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        for name in _names(statement):
            symbol = asm.symbol(name)
            symbol.other = symbol.other & ~3 | value

    return directive


def _name_and_rest(asm: Assembler, statement: Statement) -> tuple[str, int, Statement]:
    """`name, rest`: the name, its column, and the rest as a statement of its own."""
    match = _NAME.match(statement.args)
    if match is None:
        raise asm.whole(f"{statement.head} takes a symbol first")
    column = statement.args_column + match.start(1 if match.group(1) else 2)
    position = match.end()
    if statement.args[position : position + 1] == ",":
        position += 1
    elif position < len(statement.args):
        raise MistakeError(
            f"{statement.head} takes a symbol first", column, max(match.end() - match.start(), 1),
            "no comma follows",
        )  # fmt: skip
    rest = split_statement(statement.line, 0, "")
    rest.head, rest.head_column = statement.head, statement.head_column
    rest.args = statement.args[position:]
    rest.args_column = statement.args_column + position
    return match.group(1) or match.group(2), column, rest


def _type(asm: Assembler, statement: Statement) -> None:
    match = re.fullmatch(
        r'\s*("[^"]+"|[\w.$]+)\s*[, ]\s*(?:[@%#]\s*)?"?(\w+)"?\s*', statement.args, re.ASCII
    )
    if match is None:
        raise asm.whole(".type takes a symbol and @function, @object or another type")
    kind = match.group(2).lower()
    if kind not in TYPES:
        raise MistakeError(
            "a symbol type is @function, @object, @notype or another known one",
            statement.args_column + match.start(2), len(kind), "unknown",
        )  # fmt: skip
    symbol = asm.symbol(match.group(1).strip('"'))
    symbol.type = TYPES[kind]


def _size(asm: Assembler, statement: Statement) -> None:
    name, _, rest = _name_and_rest(asm, statement)
    operands = asm.operands(rest)
    if len(operands) != 1:
        raise asm.whole(".size takes a symbol and a size")
    asm.symbol(name).size = asm.bind(rest, operands[0].value)


def _value(asm: Assembler, statement: Statement) -> int | Code:
    operands = asm.operands(statement)
    if len(operands) != 1 or operands[0].base is not None:
        raise asm.whole("a symbol is set to one expression")
    operand = operands[0]
    if operand.modifier >= 0:
        raise asm.at(statement, operand, "a symbol's value has no modifier")
    return asm.bind_or_register(statement, operand.value)


def _set(*, once: bool) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        name, column, rest = _name_and_rest(asm, statement)
        symbol = asm.symbols.get(name)
        if once and symbol is not None and symbol.value is not None:
            asm.redefined(symbol, column, len(name))
            return
        asm.set_symbol(name, _value(asm, rest), column)

    return directive


def _assignment(asm: Assembler, statement: Statement) -> None:
    value = _value(asm, statement)
    if statement.target == ".":
        raise asm.whole("the location counter is set by .org")
    asm.set_symbol(statement.target, value, statement.head_column)


def _common(*, local: bool) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        name, column, rest = _name_and_rest(asm, statement)
        size, alignment = asm.numbers(rest, "the size", "the alignment")
        if size is None or size < 0:
            raise asm.whole(f"{statement.head} takes a symbol, a size and an alignment")
        alignment = 1 if alignment is None else alignment
        if alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 16:
            raise asm.whole("alignment must be a power of two up to 65536", f"{alignment}")
        symbol = asm.symbol(name)
        if symbol.value is not None or symbol.common is not None:
            asm.redefined(symbol, column, len(name))
            return
        symbol.type = symbol.type or OBJECT
        symbol.size = size
        symbol.defined = asm.line
        if not (local or (symbol.declared and symbol.binding == LOCAL)):
            symbol.common = (size, alignment)
            symbol.binding = GLOBAL if symbol.binding == LOCAL else symbol.binding
            return
        before, previous = asm.section, asm.previous
        asm.switch(asm.open_section(".bss"))
        align(asm, statement, alignment, b"\0")
        symbol.value = asm.here()
        asm.reserve(size)
        asm.section, asm.previous = before, previous

    return directive


def _localentry(asm: Assembler, statement: Statement) -> None:
    name, _, rest = _name_and_rest(asm, statement)
    operands = asm.operands(rest)
    if len(operands) != 1:
        raise asm.whole(".localentry takes a symbol and an offset")
    try:
        value = asm.now(asm.bind(rest, operands[0].value))
    except ExpressionError as error:
        raise asm.at(rest, operands[0], "the offset must be known here", error.label) from None
    codes = {0: 0, 1: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6}
    if value.base is not None or value.number not in codes:
        raise asm.at(
            rest, operands[0], "a local entry is 0, 1, 4, 8, 16, 32 or 64 bytes in",
            f"{value.number}",
        )  # fmt: skip
    symbol = asm.symbol(name)
    symbol.other = symbol.other & ~0xE0 | codes[value.number] << 5


def _abiversion(asm: Assembler, statement: Statement) -> None:
    (version,) = asm.numbers(statement, "the version")
    if version not in (0, 1, 2):
        raise asm.whole(".abiversion is 0, 1 or 2", f"{version}")
    asm.abi_version = version


def _file(asm: Assembler, statement: Statement) -> None:
    match = re.fullmatch(
        r'\s*([0-9]{1,6})?\s*(?:"((?:[^"\\]|\\.)*)"\s*)?("(?:[^"\\]|\\.)*")?(?:\s+md5\s+\w+)?\s*',
        statement.args,
    )
    if match is None or (match.group(1) is None and match.group(2) is None):
        raise asm.whole(".file takes a number and a name")
    name = match.group(2) or ""
    if match.group(1) is None:
        asm.source_name = name
        return
    if match.group(3):
        directory, name = name, match.group(3).strip('"')
        name = name if name.startswith("/") or not directory else f"{directory}/{name}"
    asm.files[int(match.group(1))] = name


def _loc(asm: Assembler, statement: Statement) -> None:
    match = re.match(r"\s*([0-9]{1,6})\s+([0-9]{1,9})(?:\s+[0-9]+)?", statement.args)
    if match is None:
        raise asm.whole(".loc takes a file number and a line")
    number = int(match.group(1))
    if number not in asm.files:
        raise MistakeError(
            "a .loc names a file that .file has numbered",
            statement.args_column + match.start(1), len(match.group(1)), "unknown number",
        )  # fmt: skip
    here = asm.here()
    view = re.search(r"\bview\s+(-?[\w.$]+)", statement.args)
    asm.advance_view(here, reset=view is not None and view.group(1) == "-0")
    if view is not None and not view.group(1).lstrip("-").isdigit():
        asm.set_symbol(view.group(1), asm.view, statement.args_column)
    asm.location = (number, int(match.group(2)))


def _reloc(asm: Assembler, statement: Statement) -> None:
    """`.reloc .,R_PPC64_ENTRY` marks where a function loads its distance from the TOC pointer."""
    fields = [field.strip() for field in statement.args.split(",")]
    if fields[:2] != [".", "R_PPC64_ENTRY"]:
        raise asm.whole(
            ".reloc is for `.,R_PPC64_ENTRY` only", "other relocations are written `@...`"
        )
    asm.entry_marks.append(asm.here())


DIRECTIVES: Mapping[str, Callable[[Assembler, Statement], None]] = {
    ".globl": _bind(GLOBAL),
    ".global": _bind(GLOBAL),
    ".local": _bind(LOCAL),
    ".weak": _bind(WEAK),
    ".internal": _visibility(1),
    ".hidden": _visibility(2),
    ".protected": _visibility(3),
    ".type": _type,
    ".size": _size,
    ".set": _set(once=False),
    ".equ": _set(once=False),
    ".equiv": _set(once=True),
    ".eqv": _set(once=True),
    "=": _assignment,
    ".comm": _common(local=False),
    ".lcomm": _common(local=True),
    ".localentry": _localentry,
    ".abiversion": _abiversion,
    ".file": _file,
    ".loc": _loc,
    ".reloc": _reloc,
}
