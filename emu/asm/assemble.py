"""Source text to a Program, both passes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emu.errors import AssemblyError

from .assembler import Assembler
from .diagnostics import Diagnostic, Span
from .dwarf import line_table
from .functions import functions_of
from .layout import Layout
from .link import Linker
from .listing import ListedLine, listing
from .merge import merge_sections
from .program import ObjectFile, Program, ProgramSymbol, SectionImage, Segment, SourceLine
from .relocatable import write_object
from .sections import SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, Place
from .source import INCLUDED, decode, read_bytes
from .state import TEXT_BASE, TooManyErrorsError
from .symbols import COMMON, FUNC, GLOBAL, OBJECT, WEAK
from .toc import drop_entries, make_got

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .program import Endian
    from .sections import Piece
    from .state import Emission

_TYPES = {FUNC: "func", OBJECT: "object", COMMON: "object"}
_BINDINGS = {GLOBAL: "global", WEAK: "weak"}


def assemble(
    text: str,
    *,
    filename: str = "<text>",
    endian: Endian = "big",
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, int] | None = None,
    text_base: int = TEXT_BASE,
) -> Program:
    """Assemble source text to a program at fixed addresses.

    filename: for messages, and `.include` looks beside it. defines: symbols that are set before
    the first line. text_base: where `.text` begins, a multiple of 4.
    Raises AssemblyError with every diagnostic in source order.
    """
    assembler, layout = _passes(
        text, filename, endian, include_dirs, defines, text_base, want_listing=False
    )
    return build(assembler, layout, filename)


def assemble_listing(
    text: str,
    *,
    filename: str = "<text>",
    endian: Endian = "big",
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, int] | None = None,
    text_base: int = TEXT_BASE,
) -> tuple[Program, str]:
    """As assemble(), and the listing (see listing.py)."""
    assembler, layout = _passes(
        text, filename, endian, include_dirs, defines, text_base, want_listing=True
    )
    program = build(assembler, layout, filename)
    return program, listing(program, list(_listed(assembler)))


def assemble_file(
    path: str | Path,
    *,
    endian: Endian = "big",
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, int] | None = None,
    text_base: int = TEXT_BASE,
) -> Program:
    """Assemble a file; see assemble(). A file that cannot be read is an AssemblyError too."""
    try:
        text = decode(read_bytes(Path(path)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read the source file: {reason.lower()}"
        raise AssemblyError([Diagnostic(message, Span(str(path), 0, ""))]) from None
    return assemble(
        text,
        filename=str(path),
        endian=endian,
        include_dirs=include_dirs,
        defines=defines,
        text_base=text_base,
    )


def assemble_object(
    text: str,
    *,
    filename: str = "<text>",
    endian: Endian = "big",
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, int] | None = None,
) -> ObjectFile:
    """Assemble source text to a relocatable object (ET_REL) for ld; see assemble()."""
    assembler = _first_pass(
        text, filename, endian, include_dirs, defines, 0, want_listing=False, relocatable=True
    )
    layout = Layout(assembler)
    data = b""
    if not assembler.stopped:
        try:
            layout.run()
            data = write_object(assembler, layout, filename)
        except TooManyErrorsError:
            pass
    _raise_errors(assembler)
    sources = (filename, *assembler.included)
    return ObjectFile(data, warnings=tuple(_in_order(assembler)), sources=sources)


def _passes(
    text: str,
    filename: str,
    endian: Endian,
    include_dirs: Sequence[str | Path],
    defines: Mapping[str, int] | None,
    text_base: int,
    *,
    want_listing: bool,
) -> tuple[Assembler, Layout]:
    assembler = _first_pass(
        text, filename, endian, include_dirs, defines, text_base, want_listing=want_listing
    )
    allocate_common(assembler)
    layout = Layout(assembler)
    if not assembler.stopped:
        try:
            make_got(assembler)
            drop_entries(assembler)
            merge_sections(assembler)
            layout.run()
            Linker(assembler, layout).run()
        except TooManyErrorsError:
            pass
    _raise_errors(assembler)
    return assembler, layout


def _first_pass(
    text: str,
    filename: str,
    endian: Endian,
    include_dirs: Sequence[str | Path],
    defines: Mapping[str, int] | None,
    text_base: int,
    *,
    want_listing: bool,
    relocatable: bool = False,
) -> Assembler:
    assembler = Assembler(
        big=endian == "big",
        relocatable=relocatable,
        text_base=text_base,
        include_dirs=[Path(directory) for directory in include_dirs],
    )
    if want_listing:
        assembler.read_lines = []
    for name, value in (defines or {}).items():
        assembler.set_symbol(name, value, 0)
    assembler.read(text, filename)
    return assembler


def _raise_errors(assembler: Assembler) -> None:
    if assembler.failed:
        raise AssemblyError(_in_order(assembler))


def _in_order(assembler: Assembler) -> list[Diagnostic]:
    """The diagnostics in the order of the source, each once."""
    ordered = sorted(assembler.diagnostics, key=lambda entry: entry[:2])
    return list(dict.fromkeys(diagnostic for _, _, diagnostic in ordered))


def allocate_common(assembler: Assembler) -> None:
    """Give the symbols of `.comm` their places at the end of .bss."""
    commons = [symbol for symbol in assembler.symbols.values() if symbol.common is not None]
    if not commons:
        return
    section = assembler.open_section(".bss")
    fragment = section.fragment
    for symbol in commons:
        size, align = symbol.common or (0, 1)
        if symbol.value is not None:
            continue
        section.align = max(section.align, align)
        fragment.hole += -fragment.hole % align
        symbol.value = Place(fragment, fragment.hole)
        fragment.hole += size


def build(assembler: Assembler, layout: Layout, filename: str) -> Program:
    """The Program of two finished passes."""
    symbols = _symbols(assembler, layout)
    lines = tuple(_lines(assembler))
    segments = tuple(_segments(assembler))
    text = [piece for section in assembler.sections.values() if section.name == ".text"
            for piece in section.pieces if piece.size]  # fmt: skip
    if "_start" in symbols:
        entry = symbols["_start"].address
    elif text:
        entry = min(piece.address or 0 for piece in text)
    else:
        entry = segments[0].address if segments else assembler.text_base
    return Program(
        name=filename,
        endian="big" if assembler.big else "little",
        entry=entry,
        segments=segments,
        symbols=symbols,
        lines=lines,
        functions=tuple(functions_of(assembler, layout)),
        sections=(*_sections(assembler), *_line_section(assembler, lines)),
        abi=assembler.abi_version or 0,
        warnings=tuple(_in_order(assembler)),
        sources=(filename, *assembler.included),
    )


def _segments(assembler: Assembler) -> Iterator[Segment]:
    pieces = [
        piece
        for section in assembler.sections.values()
        if section.allocated
        for piece in section.pieces
        if piece.size
    ]
    for piece in sorted(pieces, key=lambda piece: piece.address or 0):
        section = piece.section
        yield Segment(
            address=piece.address or 0,
            data=b"" if section.type == SHT_NOBITS else piece.contents(),
            size=piece.size,
            executable=bool(section.flags & SHF_EXECINSTR),
            writable=bool(section.flags & SHF_WRITE),
            name=section.name,
        )


def _sections(assembler: Assembler) -> Iterator[SectionImage]:
    for section in assembler.sections.values():
        for piece in section.pieces:
            if not piece.size:
                continue
            yield SectionImage(
                name=section.name,
                address=piece.address or 0,
                data=b"" if section.type == SHT_NOBITS else piece.contents(),
                size=piece.size,
                flags=section.flags,
                type=section.type,
                align=section.align,
                entsize=section.entsize,
            )


def _line_section(assembler: Assembler, lines: Sequence[SourceLine]) -> Iterator[SectionImage]:
    """The `.debug_line` that a compiler leaves to the assembler: it only opens the section."""
    section = assembler.sections.get(".debug_line")
    if section is None or section.pieces[0].size or not assembler.files:
        return
    data = line_table(lines, "big" if assembler.big else "little", assembler.files)
    yield SectionImage(".debug_line", 0, data, len(data), section.flags, section.type)


def _symbols(assembler: Assembler, layout: Layout) -> dict[str, ProgramSymbol]:
    found: dict[str, ProgramSymbol] = {}
    for name, symbol in assembler.symbols.items():
        if symbol.value is None or symbol.temporary:
            continue
        value = layout.number(symbol)
        if value is None:
            continue
        place = symbol.value
        section = place.fragment.piece.section.name if isinstance(place, Place) else ""
        size = layout.number_of(symbol.size)
        found[name] = ProgramSymbol(
            name=name,
            address=value,
            size=max(size or 0, 0),
            type=_TYPES.get(symbol.type, ""),
            binding=_BINDINGS.get(symbol.binding, "local"),
            section=section,
            other=symbol.other,
        )
    return found


def _lines(assembler: Assembler) -> Iterator[SourceLine]:
    """Loaded bytes to lines: of a `.loc` if the source has any, else of the source itself."""
    found: list[SourceLine] = []
    ends: dict[int, int] = {}
    for emission in assembler.emissions:
        piece = emission.fragment.piece
        if not piece.section.flags & SHF_EXECINSTR:
            continue
        address = (piece.address or 0) + (emission.fragment.start or 0) + emission.offset
        ends[address] = _end(piece)
        if emission.location is not None:
            file, row = emission.location
            found.append(SourceLine(address, assembler.files.get(file, ""), row))
        elif not assembler.files:
            origin = emission.line.outermost()
            found.append(SourceLine(address, origin.file, origin.number))
    found.sort(key=lambda line: line.address)
    for index, line in enumerate(found):
        end = ends[line.address]
        if index + 1 < len(found):
            end = min(end, found[index + 1].address)
        if end > line.address:
            yield SourceLine(line.address, line.file, line.line, end)


def _listed(assembler: Assembler) -> Iterator[ListedLine]:
    """Every line that was read, with the bytes that it produced."""
    produced: dict[int, list[Emission]] = {}
    ends: dict[int, int] = {}
    last: dict[int, int] = {}  # of each fragment, the emission whose end is still open
    for index, emission in enumerate(assembler.emissions):
        produced.setdefault(emission.line.serial, []).append(emission)
        before = last.get(id(emission.fragment))
        if before is not None:
            ends[before] = emission.offset
        last[id(emission.fragment)] = index
    index_of = {id(emission): index for index, emission in enumerate(assembler.emissions)}
    contents: dict[int, bytes] = {}
    for line in assembler.read_lines or ():
        address, data = None, b""
        for emission in produced.get(line.serial, ()):
            fragment = emission.fragment
            piece = fragment.piece
            if id(piece) not in contents:
                contents[id(piece)] = piece.contents()
            start = fragment.start or 0
            tail = fragment.tail.size if fragment.tail else 0
            size = len(fragment.unmerged) or fragment.size
            end = ends.get(index_of[id(emission)], size + tail)
            offset = emission.offset
            if fragment.moved is not None:
                first, found = fragment.moved(offset), fragment.unmerged[offset:end]
            else:
                first, found = offset, contents[id(piece)][start + offset : start + end]
            if address is None:
                address = (piece.address or 0) + start + first
            data += found
        depth, origin = 0, line
        while origin.via is not None:
            depth += origin.via.message != INCLUDED
            origin = origin.via.line
        yield ListedLine(line.file, line.number, line.text, depth, address, data)


def _end(piece: Piece) -> int:
    return (piece.address or 0) + piece.size
