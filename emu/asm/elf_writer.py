"""ELF64 executables: ET_EXEC, EM_PPC64, either byte order.

Source: the System V ABI's ELF-64 format and the 64-bit ELF V2 ABI for Power (e_flags).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .dwarf import compilation_unit, line_table
from .frame_tables import outermost_frames
from .sections import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, SHT_PROGBITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .program import Endian, Program, SectionImage, SourceLine

EHDR, PHDR, SHDR, SYM = 64, 56, 64, 24
ET_REL, ET_EXEC, EM_PPC64 = 1, 2, 21
PT_LOAD = 1
PF_X, PF_W, PF_R = 1, 2, 4
SHT_SYMTAB, SHT_STRTAB = 2, 3
STT_FILE = 4
SHN_ABS, SHN_COMMON = 0xFFF1, 0xFFF2
PAGE = 0x1000
TYPES = {"": 0, "object": 1, "func": 2}
BINDINGS = {"local": 0, "global": 1, "weak": 2}


@dataclass(slots=True)
class Header:
    """One section header with its contents. size differs from len(data) for NOBITS only."""

    name: str
    type: int
    flags: int = 0
    address: int = 0
    data: bytes = b""
    size: int = 0
    link: int = 0
    info: int = 0
    align: int = 1
    entsize: int = 0
    offset: int = 0


@dataclass(slots=True)
class Run:
    """Sections that one PT_LOAD holds."""

    flags: int
    sections: list[Header] = field(default_factory=list)

    @property
    def address(self) -> int:
        """Of its first byte."""
        return self.sections[0].address

    @property
    def end(self) -> int:
        """One past its last byte."""
        return self.sections[-1].address + self.sections[-1].size


class Strings:
    """A string table."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._offsets: dict[str, int] = {"": 0}

    def add(self, text: str) -> int:
        """The offset of `text`."""
        offset = self._offsets.get(text)
        if offset is None:
            offset = self._offsets[text] = len(self.data)
            self.data += text.encode("utf-8", "surrogateescape") + b"\0"
        return offset


def write_elf(program: Program, *, debug: bool = False, directory: str = "") -> bytes:
    """The bytes of an executable.

    debug: with a line table and a compilation unit of our own, unless the source has brought its
    own debug sections. directory: where the source's name is relative to (DW_AT_comp_dir).
    """
    loaded = _loaded(program.sections)
    others = [_header(image) for image in program.sections if not image.flags & SHF_ALLOC]
    if debug and not any(header.name == ".debug_info" for header in others):
        others += _debug_sections(program, directory)
    headers = [*loaded, *others]
    symbols, strings, local_count = _symbol_table(program, headers)
    headers.append(
        Header(".symtab", SHT_SYMTAB, data=symbols, size=len(symbols), link=len(headers) + 2,
               info=local_count, align=8, entsize=SYM)
    )  # fmt: skip
    headers.append(Header(".strtab", SHT_STRTAB, data=strings, size=len(strings)))
    runs = _runs(loaded)
    return layout_file(
        headers, runs, program.endian, ET_EXEC, _file_entry(program), flags_of(program)
    )


def flags_of(program: Program) -> int:
    """e_flags: the ABI version; without a word about it, functions are code and not descriptors."""
    if program.abi:
        return program.abi
    return 1 if any(image.name == ".opd" for image in program.sections) else 2


def _file_entry(program: Program) -> int:
    """e_entry: in ABI version 1 the descriptor of `_start`, if it has one."""
    start = program.symbols.get("_start")
    return start.address if start is not None and start.section == ".opd" else program.entry


def _header(image: SectionImage) -> Header:
    return Header(
        image.name, image.type, image.flags & 0xFFFFFFFF, image.address, image.data, image.size,
        align=image.align, entsize=image.entsize,
    )  # fmt: skip


def _loaded(images: Iterable[SectionImage]) -> list[Header]:
    """Loaded sections by address. Parts of one section that are near become one again."""
    result: list[Header] = []
    parts = sorted((image for image in images if image.flags & SHF_ALLOC), key=lambda i: i.address)
    for image in parts:
        header = _header(image)
        last = result[-1] if result else None
        if (
            last is not None
            and last.name == header.name
            and header.type != SHT_NOBITS
            and header.address - (last.address + last.size) < PAGE
        ):
            last.data += bytes(header.address - last.address - last.size) + header.data
            last.size = len(last.data)
        else:
            result.append(header)
    seen: set[str] = set()
    # The part that no .org moved keeps the plain name: the last one, as vectors lie below.
    for header in reversed(result):
        if header.name in seen:
            header.name += f".{header.address:x}"
        seen.add(header.name)
        while header.address % header.align:
            header.align //= 2
    return result


def _runs(headers: Iterable[Header]) -> list[Run]:
    runs: list[Run] = []
    for header in headers:
        flags = PF_R
        flags |= PF_W if header.flags & SHF_WRITE else 0
        flags |= PF_X if header.flags & SHF_EXECINSTR else 0
        last = runs[-1] if runs else None
        if (
            last is not None
            and last.flags == flags
            and header.address - last.end < PAGE
            and (last.sections[-1].type != SHT_NOBITS or header.type == SHT_NOBITS)
        ):
            last.sections.append(header)
        else:
            runs.append(Run(flags, [header]))
    return runs


def _debug_sections(program: Program, directory: str) -> Iterator[Header]:
    if not program.lines:
        return
    low = min(line.address for line in program.lines)
    high = max(line.end for line in program.lines)
    info, abbrev = compilation_unit(
        program.name, directory, low, high, program.endian, program.functions
    )
    lines = line_table(list(_merged(program.lines)), program.endian)
    frames = outermost_frames(program.functions, program.endian)
    for name, data, align in (
        (".debug_line", lines, 1),
        (".debug_info", info, 1),
        (".debug_abbrev", abbrev, 1),
        (".debug_frame", frames, 8),
    ):
        if data and all(image.name != name for image in program.sections):
            yield Header(name, SHT_PROGBITS, data=data, size=len(data), align=align)


def _merged(lines: Iterable[SourceLine]) -> Iterator[SourceLine]:
    """Lines of source text, one row for all instructions of a line: it is stepped as a whole."""
    last: SourceLine | None = None
    for line in lines:
        if last is not None and (last.file, last.line, last.end) == (
            line.file, line.line, line.address,
        ):  # fmt: skip
            last = replace(last, end=line.end)
            continue
        if last is not None:
            yield last
        last = line
    if last is not None:
        yield last


def _symbol_table(program: Program, headers: Sequence[Header]) -> tuple[bytes, bytes, int]:
    """`.symtab`, `.strtab`, and how many symbols are local."""
    strings = Strings()
    order = ">" if program.endian == "big" else "<"
    pack = struct.Struct(order + "IBBHQQ").pack
    local = [bytes(SYM), pack(strings.add(program.name), STT_FILE, 0, SHN_ABS, 0, 0)]
    others: list[bytes] = []
    for symbol in program.symbols.values():
        index = SHN_ABS
        if symbol.section:
            index = _section_index(headers, symbol.section, symbol.address)
        info = BINDINGS[symbol.binding] << 4 | TYPES[symbol.type]
        entry = pack(
            strings.add(symbol.name), info, symbol.other, index,
            symbol.address & (1 << 64) - 1, symbol.size & (1 << 64) - 1,
        )  # fmt: skip
        (local if symbol.binding == "local" else others).append(entry)
    return b"".join(local + others), bytes(strings.data), len(local)


def _section_index(headers: Sequence[Header], name: str, address: int) -> int:
    """The section that a symbol belongs to; section 0 is the null one."""
    named = [
        (index, header)
        for index, header in enumerate(headers, 1)
        if header.name in (name, f"{name}.{header.address:x}")
    ]
    for index, header in named:
        if header.address <= address < header.address + header.size:
            return index
    for index, header in named:
        if address == header.address + header.size or not header.flags & SHF_ALLOC:
            return index
    return SHN_ABS  # a label in a section without bytes


def layout_file(
    headers: list[Header], runs: Sequence[Run], endian: Endian, kind: int, entry: int, flags: int
) -> bytes:
    """File bytes: header, program headers, contents, section headers."""
    names = Strings()
    headers.append(Header(".shstrtab", SHT_STRTAB))
    offsets = [names.add(header.name) for header in headers]
    headers[-1].data = bytes(names.data)
    headers[-1].size = len(names.data)
    out = bytearray(EHDR + PHDR * len(runs))
    in_run = {id(header) for run in runs for header in run.sections}
    segments: list[tuple[int, ...]] = []
    for run in runs:
        out += bytes((run.address - len(out)) % PAGE)
        start = len(out)
        file_size = 0
        for header in run.sections:
            header.offset = start + header.address - run.address
            if header.type == SHT_NOBITS:
                header.offset = start + min(header.address - run.address, file_size)
                continue
            out += bytes(header.offset - len(out)) + header.data
            file_size = len(out) - start
        segments.append(
            (PT_LOAD, run.flags, start, run.address, run.address, file_size,
             run.end - run.address, PAGE)
        )  # fmt: skip
    for header in headers:
        if id(header) not in in_run:
            out += bytes(-len(out) % max(header.align, 1))
            header.offset = len(out)
            if header.type != SHT_NOBITS:
                out += header.data
    out += bytes(-len(out) % 8)
    order = ">" if endian == "big" else "<"
    table = len(out)
    out += bytes(SHDR)
    for header, offset in zip(headers, offsets, strict=True):
        out += struct.pack(
            order + "IIQQQQIIQQ", offset, header.type, header.flags, header.address, header.offset,
            header.size, header.link, header.info, header.align, header.entsize,
        )  # fmt: skip
    out[:EHDR] = struct.pack(
        order + "16sHHIQQQIHHHHHH",
        b"\x7fELF\x02" + bytes([2 if endian == "big" else 1, 1]),
        kind, EM_PPC64, 1, entry, EHDR if runs else 0, table, flags, EHDR, PHDR if runs else 0,
        len(runs), SHDR, len(headers) + 1, len(headers),
    )  # fmt: skip
    for index, segment in enumerate(segments):
        at = EHDR + PHDR * index
        out[at : at + PHDR] = struct.pack(order + "IIQQQQQQ", *segment)
    return bytes(out)
