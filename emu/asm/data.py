"""Directives that put bytes down: numbers, strings, fillers, files."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from .leb128 import leb128
from .modifiers import GOT, HALVES, MODIFIERS
from .scan import ScanError, scan
from .sections import SHT_NOBITS, Tail
from .source import encode, find, read_bytes
from .state import DataFixup, MistakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler
    from .expressions import Code
    from .parse import Operand
    from .scan import Statement

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]+)|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _numbers(size: int) -> Callable[[Assembler, Statement], None]:
    """The directive that emits expressions of `size` bytes each."""

    def directive(asm: Assembler, statement: Statement) -> None:
        for operand in asm.operands(statement):
            if operand.base is not None:
                raise asm.at(statement, operand, f"{statement.head} takes values", "not a value")
            _number(asm, statement, operand, size)

    return directive


def _number(asm: Assembler, statement: Statement, operand: Operand, size: int) -> None:
    value = asm.bind(statement, operand.value)
    modifier = ""
    if operand.modifier >= 0:
        assert statement.tokens is not None
        modifier = statement.tokens.texts[operand.modifier][1:].lower()
        if modifier not in MODIFIERS or modifier in GOT:
            raise asm.at(statement, operand, f"{statement.head} takes no such modifier", modifier)
        if isinstance(value, int) and modifier in HALVES:
            value, modifier = HALVES[modifier](value), ""
    if isinstance(value, int) and not modifier:
        _check_range(asm, statement, operand, value, size)
        asm.emit((value & ((1 << 8 * size) - 1)).to_bytes(size, asm.order))
        return
    code: Code = (value,) if isinstance(value, int) else value
    known = None if modifier else asm.known(code)
    if known is not None and asm.relocatable:
        _check_range(asm, statement, operand, known, size)
        asm.emit((known & ((1 << 8 * size) - 1)).to_bytes(size, asm.order))
        return
    place = asm.here()
    asm.emit(bytes(size))
    if asm.section.type != SHT_NOBITS:
        asm.data_fixups.append(DataFixup(place, size, code, modifier, asm.line, statement, operand))


def _check_range(
    asm: Assembler, statement: Statement, operand: Operand, value: int, size: int
) -> None:
    """Warn if a value loses bits, as GNU as does."""
    if not -(1 << (8 * size - 1)) <= value < 1 << 8 * size:
        column, width = asm.span(statement, operand.first, operand.stop)
        asm.warn(column, width, f"{statement.head} keeps {8 * size} bits", f"{value:#x} has more")


def _leb(kind: str) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        for operand in asm.operands(statement):
            if operand.base is not None or operand.modifier >= 0:
                raise asm.at(statement, operand, f"{statement.head} takes plain values")
            code = asm.bind(statement, operand.value)
            value = asm.known(code)
            if value is not None:
                asm.emit(leb128(value, signed=kind == "sleb"))
                continue
            column, width = asm.span(statement, operand.first, operand.stop)
            asm.variable(Tail(kind, asm.line, column, width, code))

    return directive


def _strings(end: bytes) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        for text in strings(asm, statement):
            asm.emit(text + end)

    return directive


def strings(asm: Assembler, statement: Statement) -> list[bytes]:
    """The comma-separated strings of a statement; adjacent ones join. Raises MistakeError."""
    if statement.tokens is None:
        try:
            statement.tokens = scan(statement.args)
        except ScanError:
            asm.operands(statement)  # raises the MistakeError
    assert statement.tokens is not None
    shape, texts = statement.tokens
    if not shape:
        return []
    if not re.fullmatch(r'"+(?:,"+)*', shape):
        position = next((i for i, kind in enumerate(shape) if kind not in '",'), len(shape) - 1)
        column, width = asm.span(statement, position, position + 1)
        raise MistakeError(f"{statement.head} takes strings", column, width, "not a string")
    found: list[bytes] = []
    index = 0
    for group in shape.split(","):
        found.append(b"".join(unquote(text) for text in texts[index : index + len(group)]))
        index += len(group) + 1
    return found


def unquote(text: str) -> bytes:
    """The bytes of a quoted string."""

    def replacement(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        if hexadecimal:
            return bytes([int(hexadecimal[-2:], 16)])
        return _LETTERS.get(letter, letter)

    return _ESCAPE.sub(replacement, encode(text[1:-1]))


def _floats(form: str) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        column = statement.args_column
        for text in statement.args.split(","):
            try:
                value = float(re.sub(r"^\s*0[a-zA-Z]", "", text))
                packed = struct.pack((">" if asm.big else "<") + form, value)
            except (ValueError, OverflowError):
                width = max(len(text), 1)
                raise MistakeError(
                    f"{statement.head} takes decimal numbers", column, width, "not one"
                ) from None
            asm.emit(packed)
            column += len(text) + 1

    return directive


def _octa(asm: Assembler, statement: Statement) -> None:
    for text in statement.args.split(","):
        digits = text.strip()
        if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,64}|[0-9]{1,40}", digits):
            raise asm.whole(".octa takes plain numbers of 128 bits", digits[:40])
        number = int(digits, 16 if digits[:2].lower() == "0x" else 10)
        if number >= 1 << 128:
            raise asm.whole(".octa takes plain numbers of 128 bits", "too large")
        asm.emit(number.to_bytes(16, asm.order))


def _space(asm: Assembler, statement: Statement) -> None:
    operands = asm.sparse_operands(statement)
    if not 1 <= len(operands) <= 2 or operands[0] is None:
        raise asm.whole(f"{statement.head} takes a size and a fill byte")
    size_operand = operands[0]
    fill_operand = operands[1] if len(operands) == 2 else None
    fill = asm.number(statement, fill_operand, "the fill byte") if fill_operand else 0
    pattern = bytes([fill & 0xFF])
    if size_operand.base is not None or size_operand.modifier >= 0:
        raise asm.at(statement, size_operand, "the size must be a number")
    code = asm.bind(statement, size_operand.value)
    size = asm.known(code)
    if size is None:
        column, width = asm.span(statement, size_operand.first, size_operand.stop)
        asm.variable(Tail("space", asm.line, column, width, code, fill=pattern))
        return
    if size < 0:
        raise asm.at(statement, size_operand, "the size must not be negative", f"{size}")
    asm.reserve(size, pattern)


def _fill(asm: Assembler, statement: Statement) -> None:
    count, size, value = asm.numbers(statement, "the count", "the size", "the value")
    if count is None:
        raise asm.whole(".fill takes a count, a size and a value")
    size = 1 if size is None else size
    if count < 0 or size < 0:
        raise asm.whole(".fill takes no negative count or size", f"{count}, {size}")
    size = min(size, 8)
    # GNU as fills from a value of 4 bytes, whatever the size.
    low = ((value or 0) & 0xFFFFFFFF).to_bytes(4, asm.order)
    if size < 4:
        low = ((value or 0) & ((1 << 8 * size) - 1)).to_bytes(size, asm.order)
    asm.reserve(count * size, low.ljust(size, b"\0") if size else b"\0")


def _incbin(asm: Assembler, statement: Statement) -> None:
    match = re.match(r'\s*("(?:[^"\\]|\\.)*")\s*(?:,(.*))?$', statement.args)
    if match is None:
        raise asm.whole('.incbin takes "file", skip, count')
    content = load(asm, statement, match.group(1))
    numbers = []
    for text in (match.group(2) or "").split(",") if match.group(2) else []:
        if text.strip():
            try:
                numbers.append(int(text.strip()[:40], 0))
            except ValueError:
                raise asm.whole(".incbin takes plain numbers", text.strip()[:40]) from None
        else:
            numbers.append(0)
    if len(numbers) > 2:
        raise asm.whole(".incbin takes a file, what to skip, and how many bytes")
    skip = numbers[0] if numbers else 0
    count = numbers[1] if len(numbers) == 2 else len(content) - skip
    if not 0 <= skip <= len(content) or not 0 <= count <= len(content) - skip:
        raise asm.whole(".incbin must stay within the file", f"it has {len(content)} bytes")
    asm.emit(content[skip : skip + count])


def load(asm: Assembler, statement: Statement, quoted: str) -> bytes:
    """The bytes of the file that a directive names. Raises MistakeError."""
    name = encode_name(quoted)
    column = statement.args_column + statement.args.find('"')
    path = find(name, asm.line.file, asm.include_dirs)
    if path is None:
        raise MistakeError("the file must exist", column, len(quoted), "no such file")
    try:
        content = read_bytes(Path(path))
    except OSError as error:
        raise MistakeError(
            "the file must be readable", column, len(quoted), error.strerror or str(error)
        ) from None
    asm.included.append(str(path))
    return content


def encode_name(quoted: str) -> str:
    """The file name in a quoted string."""
    return unquote(quoted).decode("utf-8", "surrogateescape")


DIRECTIVES: Mapping[str, Callable[[Assembler, Statement], None]] = {
    **dict.fromkeys((".byte", ".dc.b"), _numbers(1)),
    **dict.fromkeys(
        (".short", ".hword", ".half", ".2byte", ".word", ".value", ".dc.w"), _numbers(2)
    ),
    **dict.fromkeys((".long", ".int", ".4byte", ".dc.l"), _numbers(4)),
    **dict.fromkeys((".quad", ".8byte", ".llong"), _numbers(8)),
    ".uleb128": _leb("uleb"),
    ".sleb128": _leb("sleb"),
    ".ascii": _strings(b""),
    ".asciz": _strings(b"\0"),
    ".string": _strings(b"\0"),
    ".string8": _strings(b"\0"),
    ".float": _floats("f"),
    ".single": _floats("f"),
    ".double": _floats("d"),
    ".octa": _octa,
    ".space": _space,
    ".skip": _space,
    ".zero": _space,
    ".fill": _fill,
    ".incbin": _incbin,
}
