"""The guest of a command: where its program comes from, and the options that say so."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from emu.asm import Program, Segment, assemble
from emu.asm.elf import read_elf
from emu.asm.source import decode
from emu.cli.input_files import read_input, shown
from emu.cli.numbers import address, unsigned
from emu.errors import ConfigError, ImageError
from emu.hv.pseries import RELOCATABLE_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.asm.program import Endian

DEFAULT_LOAD_ADDRESS = 0x10000
SOURCE_SUFFIXES = {".s", ".S", ".asm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSource:
    """What was said about the guest, checked for contradictions but not yet read."""

    name: str | None
    text: str | None
    raw: bool
    load_at: int | None
    entry: str | None


def guest_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the argument GUEST and its options, as one argument `guest`."""

    @click.argument("guest", required=False)
    @click.option("-e", "text", metavar="TEXT", help="Assembly text to run instead of a GUEST.")
    @click.option("--raw", is_flag=True, help="GUEST is a flat image.")
    @click.option(
        "--load-at",
        type=address,
        metavar="ADDR",
        help=f"Where a flat image goes.  [default: {DEFAULT_LOAD_ADDRESS:#x}]",
    )
    @click.option("--entry", metavar="ADDR|SYMBOL", help="Where the vcpus begin.")
    @functools.wraps(command)
    def with_guest(
        guest: str | None,
        text: str | None,
        raw: bool,
        load_at: int | None,
        entry: str | None,
        **arguments: Any,  # noqa: ANN401  whatever else the command takes
    ) -> int:
        restoring = arguments.get("restore") is not None
        if restoring and (guest is not None or text is not None):
            raise click.UsageError("--restore FILE takes the place of GUEST and -e TEXT")
        if restoring and (option := _given(raw=raw, load_at=load_at, entry=entry)):
            raise click.UsageError(f"{option} is for a guest that starts, not for --restore")
        if not restoring and (guest is None) == (text is None):
            raise click.UsageError("one GUEST, or -e TEXT")
        if raw and text is not None:
            raise click.UsageError("--raw is for a GUEST, -e TEXT is assembly")
        if load_at is not None and not raw:
            raise click.UsageError("--load-at needs --raw: source and ELF say where they lie")
        source = GuestSource(name=guest, text=text, raw=raw, load_at=load_at, entry=entry)
        return command(guest=source, **arguments)

    return with_guest


def _given(**options: object) -> str | None:
    """The first of these options that was given, as it is written."""
    names = (name for name, value in options.items() if value is not None and value is not False)
    return next((f"--{name.replace('_', '-')}" for name in names), None)


@dataclass(frozen=True, slots=True)
class Guest:
    """A program to run, at its final addresses.

    end: where the text of -e stops; a vcpu that gets there ends the run. relocates: it lies
    elsewhere than it was linked at, and sees to that itself (ET_DYN).
    """

    program: Program
    entry: int
    end: int | None = None
    relocates: bool = False

    def symbolic(self, where: int) -> str:
        """An address with the nearest symbol at or below it: `0x10048 <wait+0x8>`."""
        below = [
            symbol for symbol in self.program.symbols.values()
            if symbol.section and symbol.address <= where
        ]  # fmt: skip
        if not below or not self.program.contains(where):
            return f"{where:#x}"
        nearest = max(below, key=lambda symbol: symbol.address)
        offset = where - nearest.address
        return f"{where:#x} <{nearest.name}{f'+{offset:#x}' if offset else ''}>"


def load_guest(source: GuestSource, endian: Endian) -> Guest:
    """Read and assemble the guest.

    Raises AssemblyError, ImageError, and ConfigError for an entry that does not exist.
    """
    program = _program(source, endian)
    if not program.segments:
        raise ImageError(f"{shown(program.name)} holds no code")
    relocates = program.relative
    if relocates:
        program = program.moved(RELOCATABLE_AT)
    entry = program.entry
    if source.entry is not None:
        found = unsigned(source.entry)
        if found is None:
            found = program.address_of(source.entry)
        if found is None:
            raise ConfigError(f"--entry must be an address or a symbol, got {source.entry!r}")
        if found % 4:
            raise ConfigError(f"--entry must be a multiple of 4, got {found:#x}")
        entry = found
    if entry % 4:
        raise ImageError(f"{shown(program.name)} begins at {entry:#x}, no multiple of 4")
    if source.text is None:
        return Guest(program, entry, relocates=relocates)
    ends = [segment.end for segment in program.segments if segment.name == ".text"]
    if not ends:
        raise ConfigError(f"-e needs at least one instruction, got {source.text!r}")
    return Guest(program, entry, end=max(ends))


def _program(source: GuestSource, endian: Endian) -> Program:
    if source.text is not None:
        return assemble(source.text, filename="<command line>", endian=endian)
    name = source.name or ""
    data = read_input(name)
    if source.raw:
        return flat_program(data, name, source.load_at, endian)
    if data.startswith(b"\x7fELF"):
        return read_elf(data, shown(name), lines=False)
    if name != "-" and PurePath(name).suffix not in SOURCE_SUFFIXES and b"\0" in data[:4096]:
        raise ImageError(
            f"{shown(name)} is neither assembly source nor ELF; --raw loads it as it is"
        )
    filename = "<standard input>" if name == "-" else name
    return assemble(decode(data), filename=filename, endian=endian)


def flat_program(data: bytes, name: str, load_at: int | None, endian: Endian) -> Program:
    """A flat image as a program that begins with its first byte."""
    start = DEFAULT_LOAD_ADDRESS if load_at is None else load_at
    if not data:
        raise ImageError(f"{shown(name)} is empty")
    segment = Segment(start, data, len(data), name="raw")
    return Program(name=name, endian=endian, entry=start, segments=(segment,))
