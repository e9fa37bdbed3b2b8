"""DWARF line tables, and the smallest compilation unit that makes a debugger use one.

Version 4: everything reads it. Source: DWARF Debugging Information Format 4, sections 6.2 and 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .leb128 import leb128

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .program import Endian, Function, SourceLine

LINE_BASE, LINE_RANGE, OPCODE_BASE = -3, 12, 10
STANDARD_LENGTHS = (0, 1, 1, 1, 1, 0, 0, 0, 1)  # operands of the standard opcodes 1..9
ADVANCE_PC, ADVANCE_LINE, SET_FILE, COPY = 2, 3, 4, 1
END_SEQUENCE, SET_ADDRESS = 1, 2  # extended opcodes

TAG_COMPILE_UNIT, TAG_SUBPROGRAM = 0x11, 0x2E
AT_STMT_LIST, AT_LOW_PC, AT_HIGH_PC, AT_NAME, AT_COMP_DIR = 0x10, 0x11, 0x12, 0x03, 0x1B
AT_PRODUCER, AT_LANGUAGE, AT_EXTERNAL = 0x25, 0x13, 0x3F
FORM_ADDR, FORM_DATA2, FORM_STRING, FORM_FLAG, FORM_SEC_OFFSET = 0x01, 0x05, 0x08, 0x0C, 0x17
LANG_MIPS_ASSEMBLER = 0x8001  # the code that every assembler uses


def line_table(
    lines: Sequence[SourceLine],
    endian: Endian,
    files: Mapping[int, str] | None = None,
    *,
    places: list[tuple[int, int]] | None = None,
) -> bytes:
    """`.debug_line` contents for lines in order of address.

    files: file names by the numbers that other debug sections use for them, else in order of use.
    places: is given the offset in the result, and the value, of every address in it.
    """
    names = _numbered(lines, files)
    number_of = {name: number for number, name in reversed(list(enumerate(names, 1)))}
    header = bytes([1, 1, 1, LINE_BASE & 0xFF, LINE_RANGE, OPCODE_BASE, *STANDARD_LENGTHS])
    header += b"\0"  # no directories: names are complete
    for name in names:
        header += _string(name) + b"\0\0\0"
    header += b"\0"
    addresses: list[tuple[int, int]] = []
    body = _rows(lines, number_of, endian, addresses)
    prologue = len(header).to_bytes(4, endian) + header
    unit = (4).to_bytes(2, endian) + prologue + body
    if places is not None:
        start = 4 + 2 + len(prologue)
        places += [(start + offset, address) for offset, address in addresses]
    return len(unit).to_bytes(4, endian) + unit


def _numbered(lines: Sequence[SourceLine], files: Mapping[int, str] | None) -> list[str]:
    if files:
        last = min(max(files), 1000)
        return [files.get(number, "") or "unknown" for number in range(1, last + 1)] or ["unknown"]
    return list(dict.fromkeys(line.file for line in lines)) or ["unknown"]


def _rows(
    lines: Sequence[SourceLine],
    number_of: Mapping[str, int],
    endian: Endian,
    addresses: list[tuple[int, int]],
) -> bytes:
    """The line number program: one sequence for each contiguous stretch.

    addresses: is given the offset of each address in the program, and the address.
    """
    out = bytearray()
    index = 0
    while index < len(lines):
        address, file, row = lines[index].address, 1, 1
        out += b"\0\x09" + bytes([SET_ADDRESS])
        addresses.append((len(out), address))
        out += address.to_bytes(8, endian)
        end = address
        while index < len(lines) and lines[index].address == end:
            line = lines[index]
            number = number_of.get(line.file, 1)
            if number != file:
                out += bytes([SET_FILE]) + leb128(number, signed=False)
                file = number
            out += _advance(line.address - address, line.line - row)
            address, row, end = line.address, line.line, line.end
            index += 1
        out += bytes([ADVANCE_PC]) + leb128(end - address, signed=False)
        out += bytes([0, 1, END_SEQUENCE])
    return bytes(out)


def _advance(nbytes: int, nlines: int) -> bytes:
    """Opcodes that move to a row and emit it."""
    if LINE_BASE <= nlines < LINE_BASE + LINE_RANGE:
        special = nlines - LINE_BASE + LINE_RANGE * nbytes + OPCODE_BASE
        if special < 256:
            return bytes([special])
    out = b""
    if nbytes:
        out += bytes([ADVANCE_PC]) + leb128(nbytes, signed=False)
    if nlines:
        out += bytes([ADVANCE_LINE]) + leb128(nlines, signed=True)
    return out + bytes([COPY])


def compilation_unit(
    name: str,
    directory: str,
    low: int,
    high: int,
    endian: Endian,
    functions: Iterable[Function] = (),
) -> tuple[bytes, bytes]:
    """`.debug_info` and `.debug_abbrev` contents of one unit for addresses low..high-1."""
    children = list(functions)
    tags = (
        (
            TAG_COMPILE_UNIT,
            bool(children),
            (
                (AT_STMT_LIST, FORM_SEC_OFFSET),
                (AT_LOW_PC, FORM_ADDR),
                (AT_HIGH_PC, FORM_ADDR),
                (AT_NAME, FORM_STRING),
                (AT_COMP_DIR, FORM_STRING),
                (AT_PRODUCER, FORM_STRING),
                (AT_LANGUAGE, FORM_DATA2),
            ),
        ),
        (
            TAG_SUBPROGRAM,
            False,
            (
                (AT_NAME, FORM_STRING),
                (AT_EXTERNAL, FORM_FLAG),
                (AT_LOW_PC, FORM_ADDR),
                (AT_HIGH_PC, FORM_ADDR),
            ),
        ),
    )
    abbrev = bytearray()
    for number, (tag, has_children, attributes) in enumerate(tags, 1):
        abbrev += bytes([number, tag, has_children])
        abbrev += b"".join(bytes(row) for row in attributes) + b"\0\0"
    unit = (4).to_bytes(2, endian) + (0).to_bytes(4, endian) + b"\x08"
    unit += b"\1" + (0).to_bytes(4, endian) + low.to_bytes(8, endian) + high.to_bytes(8, endian)
    unit += _string(name) + _string(directory) + _string("emu asm")
    unit += LANG_MIPS_ASSEMBLER.to_bytes(2, endian)
    for function in children:
        unit += b"\2" + _string(function.name) + bytes([function.external])
        unit += function.start.to_bytes(8, endian) + function.end.to_bytes(8, endian)
    unit += b"\0" * bool(children)
    return len(unit).to_bytes(4, endian) + unit, bytes(abbrev) + b"\0"


def _string(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape").replace(b"\0", b"") + b"\0"
