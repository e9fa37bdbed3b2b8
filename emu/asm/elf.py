"""ELF64 files to Programs: ET_EXEC and ET_DYN for Power, either byte order, either ABI.

Headers are checked here, byte by byte, before anything else reads them; sections, symbols and
DWARF lines are then read with pyelftools.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from emu.errors import ImageError

from .program import Program, ProgramSymbol, SectionImage, Segment, SourceLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.lineprogram import LineProgram

    from .program import Endian

MAGIC = b"\x7fELF"
EHDR, PHDR, SHDR = 64, 56, 64
ET_NAMES = {0: "ET_NONE", 1: "ET_REL, relocatable: link it first", 4: "ET_CORE"}
ET_EXEC, ET_DYN = 2, 3
EM_PPC, EM_PPC64 = 20, 21
PT_LOAD, PT_INTERP = 1, 3
PF_X, PF_W = 1, 2
MAX_MEMORY = 1 << 40
SHT_NOBITS = 8
_TYPES = {"STT_FUNC": "func", "STT_OBJECT": "object"}
_BINDINGS = {"STB_GLOBAL": "global", "STB_WEAK": "weak"}


@dataclass(frozen=True, slots=True)
class _Header:
    """The ELF header's fields that matter."""

    endian: Endian
    kind: int
    entry: int
    flags: int
    phoff: int
    phnum: int
    shoff: int
    shnum: int


def read_elf(data: bytes, name: str, *, lines: bool = True) -> Program:
    """The program in an ELF file.

    lines: read the DWARF line table too, which takes a while for large programs.
    Raises ImageError, which names the file and the rule that it breaks.
    """
    header = _header(data, name)
    segments = tuple(_segments(data, header, name))
    _check_sections(data, header, name)
    try:
        file = ELFFile(io.BytesIO(data))
        sections = tuple(_sections(file))
        symbols = _symbols(file)
        table = tuple(_lines(file)) if lines else ()
    except Exception as error:  # noqa: BLE001  pyelftools raises what its input makes it raise
        raise ImageError(
            f"{name}: the section, symbol or line tables are damaged ({type(error).__name__})"
        ) from None
    program = Program(
        name=name,
        endian=header.endian,
        entry=header.entry,
        segments=segments,
        symbols=symbols,
        lines=table,
        sections=sections,
        abi=header.flags & 3,
        relative=header.kind == ET_DYN,
    )
    return _through_descriptor(program, name)


def _header(data: bytes, name: str) -> _Header:
    if data[:4] != MAGIC:
        raise ImageError(f"{name}: an ELF file begins with 7f 45 4c 46, got {data[:4].hex(' ')}")
    if len(data) < EHDR:
        raise ImageError(f"{name}: an ELF header has {EHDR} bytes, the file has {len(data)}")
    if data[4] != 2:
        kind = {1: "ELFCLASS32"}.get(data[4], str(data[4]))
        raise ImageError(f"{name}: the class must be ELFCLASS64, got {kind}")
    if data[5] not in (1, 2):
        raise ImageError(f"{name}: the byte order must be 1 or 2, got {data[5]}")
    endian: Endian = "little" if data[5] == 1 else "big"
    order = "<" if endian == "little" else ">"
    (
        kind,
        machine,
        version,
        entry,
        phoff,
        shoff,
        flags,
        _,
        phentsize,
        phnum,
        shentsize,
        shnum,
        _,
    ) = struct.unpack(order + "HHIQQQIHHHHHH", data[16:EHDR])
    if machine != EM_PPC64:
        shown = "EM_PPC (32-bit Power)" if machine == EM_PPC else str(machine)
        raise ImageError(f"{name}: the machine must be EM_PPC64 (21), got {shown}")
    if kind not in (ET_EXEC, ET_DYN):
        raise ImageError(
            f"{name}: the type must be ET_EXEC or ET_DYN, got {ET_NAMES.get(kind, kind)}"
        )
    if version != 1:
        raise ImageError(f"{name}: the version must be 1, got {version}")
    if flags & ~3 or flags == 3:
        raise ImageError(f"{name}: the ABI version (e_flags) must be 0, 1 or 2, got {flags:#x}")
    if phnum == 0:
        raise ImageError(f"{name}: a program has program headers, this file has none")
    if phentsize != PHDR:
        raise ImageError(f"{name}: a program header has {PHDR} bytes, got {phentsize}")
    if phoff + phnum * PHDR > len(data):
        raise ImageError(
            f"{name}: the program headers must lie within the file: they end at "
            f"{phoff + phnum * PHDR:#x}, the file at {len(data):#x}"
        )
    if shnum and shentsize != SHDR:
        raise ImageError(f"{name}: a section header has {SHDR} bytes, got {shentsize}")
    return _Header(endian, kind, entry, flags, phoff, phnum, shoff, shnum)


def _segments(data: bytes, header: _Header, name: str) -> Iterator[Segment]:
    order = "<" if header.endian == "little" else ">"
    found: list[Segment] = []
    for index in range(header.phnum):
        at = header.phoff + index * PHDR
        kind, flags, offset, address, _, filesz, memsz, _ = struct.unpack_from(
            order + "IIQQQQQQ", data, at
        )
        where = f"{name}: segment {index}"
        if kind == PT_INTERP:
            raise ImageError(f"{name}: the program must be static, it asks for an interpreter")
        if kind != PT_LOAD or memsz == 0:
            continue
        if filesz > memsz:
            raise ImageError(f"{where} has {filesz:#x} bytes in the file for {memsz:#x} in memory")
        if offset + filesz > len(data):
            raise ImageError(
                f"{where} must lie within the file: it ends at {offset + filesz:#x}, "
                f"the file at {len(data):#x}"
            )
        if address + memsz > MAX_MEMORY:
            raise ImageError(
                f"{where} must lie below {MAX_MEMORY:#x}, it ends at {address + memsz:#x}"
            )
        found.append(
            Segment(
                address, data[offset : offset + filesz], memsz,
                executable=bool(flags & PF_X), writable=bool(flags & PF_W),
            )
        )  # fmt: skip
    if not found:
        raise ImageError(f"{name}: a program loads something, this file has no PT_LOAD")
    found.sort(key=lambda segment: segment.address)
    for before, after in pairwise(found):
        if before.end > after.address:
            raise ImageError(
                f"{name}: segments must not overlap: one ends at {before.end:#x}, "
                f"one begins at {after.address:#x}"
            )
    yield from found


def _check_sections(data: bytes, header: _Header, name: str) -> None:
    if not header.shnum:
        return
    if header.shoff + header.shnum * SHDR > len(data):
        raise ImageError(
            f"{name}: the section headers must lie within the file: they end at "
            f"{header.shoff + header.shnum * SHDR:#x}, the file at {len(data):#x}"
        )
    order = "<" if header.endian == "little" else ">"
    for index in range(header.shnum):
        _, kind, _, _, offset, size, _, _, _, _ = struct.unpack_from(
            order + "IIQQQQIIQQ", data, header.shoff + index * SHDR
        )
        if kind not in (0, SHT_NOBITS) and offset + size > len(data):
            raise ImageError(
                f"{name}: section {index} must lie within the file: it ends at "
                f"{offset + size:#x}, the file at {len(data):#x}"
            )


def _sections(file: ELFFile) -> Iterator[SectionImage]:
    for section in file.iter_sections():
        kind = section.header["sh_type"]
        if kind in ("SHT_NULL", "SHT_SYMTAB", "SHT_STRTAB"):
            continue
        nobits = kind == "SHT_NOBITS"
        yield SectionImage(
            name=section.name,
            address=section["sh_addr"],
            data=b"" if nobits else section.data(),
            size=section["sh_size"],
            flags=section["sh_flags"],
            type=SHT_NOBITS if nobits else 1,
            align=section["sh_addralign"] or 1,
            entsize=section["sh_entsize"],
        )


def _symbols(file: ELFFile) -> dict[str, ProgramSymbol]:
    found: dict[str, ProgramSymbol] = {}
    names = [section.name for section in file.iter_sections()]
    for table in file.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            index, kind = symbol["st_shndx"], symbol["st_info"]["type"]
            if not symbol.name or index == "SHN_UNDEF" or kind in ("STT_FILE", "STT_SECTION"):
                continue
            binding = _BINDINGS.get(symbol["st_info"]["bind"], "local")
            if symbol.name in found and binding == "local":
                continue  # of two, the one that others may see, else the first
            found[symbol.name] = ProgramSymbol(
                name=symbol.name,
                address=symbol["st_value"],
                size=symbol["st_size"],
                type=_TYPES.get(kind, ""),
                binding=binding,
                section=names[index] if isinstance(index, int) and index < len(names) else "",
                other=0,
            )
    return found


def _lines(file: ELFFile) -> Iterator[SourceLine]:
    if not file.has_dwarf_info():
        return
    dwarf = file.get_dwarf_info()
    found: list[SourceLine] = []
    for unit in dwarf.iter_CUs():
        table = dwarf.line_program_for_CU(unit)
        if table is None:
            continue
        names = _file_names(table, unit)
        previous = None
        for entry in table.get_entries():
            state = entry.state
            if state is None:
                continue
            if previous is not None and state.address > previous.address:
                found.append(
                    SourceLine(
                        previous.address, names.get(previous.file, ""), previous.line, state.address
                    )
                )
            previous = None if state.end_sequence else state
    found.sort(key=lambda line: line.address)
    yield from found


def _file_names(table: LineProgram, unit: CompileUnit) -> dict[int, str]:
    """File names by number, with their directories."""
    version = table.header["version"]
    base = 0 if version >= 5 else 1
    directories = table.header.get("include_directory", ())
    top = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    home = top.value.decode("utf-8", "surrogateescape") if top is not None else ""
    names: dict[int, str] = {}
    for number, entry in enumerate(table.header.get("file_entry", ()), base):
        name = entry.name.decode("utf-8", "surrogateescape")
        index = entry.dir_index - (0 if version >= 5 else 1)
        if not name.startswith("/"):
            directory = home
            if 0 <= index < len(directories):
                directory = directories[index].decode("utf-8", "surrogateescape")
                if not directory.startswith("/") and home:
                    directory = f"{home}/{directory}"
            name = f"{directory}/{name}" if directory else name
        names[number] = name
    return names


def _through_descriptor(program: Program, name: str) -> Program:
    """With ABI version 1 the entry point may be a descriptor in `.opd`: its code is the entry."""
    if program.abi == 2:
        return program
    for section in program.sections:
        end = section.address + section.size
        if section.name == ".opd" and section.address <= program.entry < end:
            entry = int.from_bytes(program.read(program.entry, 8), program.endian)
            if not program.contains(entry):
                raise ImageError(f"{name}: the entry's descriptor points outside, to {entry:#x}")
            return replace(program, entry=entry)
    return program
