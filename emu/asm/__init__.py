"""Text to words and back: assembler, ELF, disassembler.

    program = assemble("_start: li 3,7; b .", filename="demo.s")

A program has fixed addresses and needs no linker. Knows nothing of machines.
"""

from __future__ import annotations

from .assemble import assemble, assemble_file, assemble_listing, assemble_object
from .diagnostics import Diagnostic, Note, Span, render
from .program import ObjectFile, Program, ProgramSymbol, SectionImage, Segment, SourceLine

__all__ = [
    "Diagnostic",
    "Note",
    "ObjectFile",
    "Program",
    "ProgramSymbol",
    "SectionImage",
    "Segment",
    "SourceLine",
    "Span",
    "assemble",
    "assemble_file",
    "assemble_listing",
    "assemble_object",
    "render",
]
