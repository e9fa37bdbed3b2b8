"""`emu dis`: words to text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from emu.asm.disasm import program_lines
from emu.asm.elf import read_elf
from emu.cli.exit_codes import EXIT_OK
from emu.cli.input_files import read_input, shown
from emu.cli.numbers import address
from emu.errors import ImageError
from emu.isa.disasm import disassemble

if TYPE_CHECKING:
    from collections.abc import Iterator

HEX_WORD = re.compile(r"(?:0x)?[0-9a-f]{1,8}", re.IGNORECASE)
# What `emu asm --format hex` writes, and what people paste: an address if any, then the word.
HEX_LINE = re.compile(r"(?:(?:0x)?([0-9a-f]{1,16})[:\s]\s*)?(?:0x)?([0-9a-f]{1,8})", re.IGNORECASE)


@click.command("dis")
@click.argument("what", nargs=-1, required=True, metavar="FILE | HEXWORD...")
@click.option("--raw", is_flag=True, help="FILE is a flat image.")
@click.option("--load-at", type=address, metavar="ADDR", help="Where a flat image begins.")
@click.option("--endian", type=click.Choice(["big", "little"]), default="big", show_default=True,
              help="Of a flat image; an ELF says it itself.")  # fmt: skip
@click.option("-S", "--source", is_flag=True, help="With the source lines that an ELF names.")
def command(
    what: tuple[str, ...],
    *,
    raw: bool,
    load_at: int | None,
    endian: Literal["big", "little"],
    source: bool,
) -> int:
    """Disassemble as objdump -d -Mpower9 does.

    FILE is an ELF64 file, a flat image (--raw) or text with a word a line; - is standard input.
    Words on the command line are printed one per line.
    """
    if load_at is not None and not raw:
        raise click.UsageError("--load-at needs --raw: an ELF says itself where it lies")
    words = all(HEX_WORD.fullmatch(word) for word in what)
    if words and not raw and not (len(what) == 1 and Path(what[0]).is_file()):
        for word in what:
            click.echo(line_of(int(word, 16), 0))
        return EXIT_OK
    if len(what) != 1:
        raise click.UsageError("one FILE, or words of up to 8 hexadecimal digits each")
    data = read_input(what[0])
    if raw:
        lines = flat_lines(data, load_at or 0, endian)
    elif data.startswith(b"\x7fELF"):
        lines = program_lines(read_elf(data, shown(what[0]), lines=source))
    else:
        lines = hex_lines(data, shown(what[0]))
    for line in lines:
        click.echo(line)
    return EXIT_OK


def line_of(word: int, at: int) -> str:
    """One word as `7c00211c  msgsndp r4`."""
    return f"{word:08x}  {disassemble(word, at)}"


def flat_lines(data: bytes, start: int, endian: Literal["big", "little"]) -> Iterator[str]:
    """A flat image, with addresses; what is left after the last whole word comes as bytes."""
    whole = len(data) & ~3
    for offset in range(0, whole, 4):
        word = int.from_bytes(data[offset : offset + 4], endian)
        at = start + offset
        yield f"{at:8x}:  {line_of(word, at)}"
    if data[whole:]:
        rest = ",".join(f"{byte:#04x}" for byte in data[whole:])
        yield f"{start + whole:8x}:  {data[whole:].hex():<8}  .byte {rest}"


def hex_lines(data: bytes, name: str) -> Iterator[str]:
    """Text with a word a line, after its address or alone.

    Raises ImageError for the first line that is neither.
    """
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        if not (text := line.partition("#")[0].strip()):
            continue
        match = HEX_LINE.fullmatch(text)
        if match is None:
            raise ImageError(
                f"{name}: line {number}: neither ELF nor hexadecimal words (--raw reads a flat "
                f"image), got {text[:40]!r}"
            )
        word = int(match[2], 16)
        if match[1] is None:
            yield line_of(word, 0)
        else:
            at = int(match[1], 16)
            yield f"{at:8x}:  {line_of(word, at)}"
