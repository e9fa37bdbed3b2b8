"""`emu asm`: source text to a program file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.asm import ObjectFile, assemble, assemble_listing, assemble_object
from emu.asm.elf_writer import write_elf
from emu.asm.images import flat, hex_text
from emu.asm.source import decode
from emu.asm.state import TEXT_BASE
from emu.cli.exit_codes import EXIT_BAD_INPUT, EXIT_OK
from emu.cli.input_files import must_not_overwrite, read_input, shown
from emu.cli.numbers import MAX_DIGITS, address, unsigned
from emu.errors import AssemblyError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emu.asm import Program
    from emu.asm.diagnostics import Diagnostic
    from emu.asm.program import Endian

SUFFIX = {"elf": ".elf", "bin": ".bin", "hex": ".hex"}


@click.command("asm")
@click.argument("file", required=False)
@click.option("-e", "text", metavar="TEXT", help="Assembly text to assemble instead of a FILE.")
@click.option(
    "-o",
    "out",
    metavar="OUT",
    help="Where the program goes; - is standard output.  [default: FILE with .elf, .bin or .hex]",
)
@click.option("--format", "form", type=click.Choice(list(SUFFIX)), default="elf", show_default=True,
              help="ELF64 executable, flat image, or a line `ADDRESS WORD` each word.")  # fmt: skip
@click.option("--endian", type=click.Choice(["big", "little"]), default="big", show_default=True)
@click.option(
    "--listing", metavar="FILE", help="Write a listing, as GNU as -a does; - is standard output."
)
@click.option("-g", "debug", is_flag=True, help="With a line table for debuggers.")
@click.option("-I", "directories", multiple=True, metavar="DIR", help="Where .include looks too.")
@click.option("-D", "--defsym", "defines", multiple=True, metavar="SYM=VAL",
              help="Set a symbol before the first line.")  # fmt: skip
@click.option("--text-base", type=address, default=hex(TEXT_BASE), show_default=True,
              metavar="ADDR", help="Where .text begins.")  # fmt: skip
@click.option("--relocatable", is_flag=True, help="An object file for ld, instead of a program.")
@click.option("--werror", is_flag=True, help="Warnings are errors.")
@click.option("--no-warn", is_flag=True, help="Say nothing of warnings.")
@click.option("--diagnostics", type=click.Choice(["text", "json"]), default="text",
              help="json: one object a line on standard error.")  # fmt: skip
@click.option("--MD", "dependencies", metavar="FILE", help="Write a make rule of the files read.")
def command(
    file: str | None, text: str | None, out: str | None, form: str, endian: Endian,
    listing: str | None, debug: bool, directories: Sequence[str], defines: Sequence[str],
    text_base: int, relocatable: bool,
    werror: bool, no_warn: bool, diagnostics: str, dependencies: str | None,
) -> int:  # fmt: skip
    """Assemble FILE (- is standard input) to a program at fixed addresses.

    GNU syntax. The result needs no linker: .text begins at 0x10000, `.org ADDRESS` puts what
    follows at that address, data follows the text.
    """
    if (file is None) == (text is None):
        raise click.UsageError("one FILE, or -e TEXT")
    if out is None and (file is None or file == "-"):
        raise click.UsageError("-o OUT says where the program goes")
    if text_base % 4:
        raise click.UsageError(f"--text-base must be a multiple of 4, got {text_base:#x}")
    if relocatable and (form != "elf" or listing is not None or debug or text_base != TEXT_BASE):
        raise click.UsageError(
            "--relocatable goes with neither --format, --listing, -g nor --text-base"
        )
    if text is None:
        filename = str(file)
        source = decode(read_input(filename))
    else:
        filename, source = "<command line>", text
    suffix = ".o" if relocatable else SUFFIX[form]
    target = out if out is not None else str(Path(filename).with_suffix(suffix))
    outputs = [name for name in (target, listing, dependencies) if name is not None]
    if outputs.count("-") > 1:
        raise click.UsageError("standard output has room for one of -o, --listing and --MD")
    must_not_overwrite(file, outputs)
    options: dict[str, Any] = {
        "filename": "<standard input>" if filename == "-" else filename,
        "endian": endian,
        "include_dirs": directories,
        "defines": dict(_define(define) for define in defines),
    }
    listed = ""
    made: Program | ObjectFile
    try:
        if relocatable:
            made = assemble_object(source, **options)
        elif listing is None:
            made = assemble(source, text_base=text_base, **options)
        else:
            made, listed = assemble_listing(source, text_base=text_base, **options)
    except AssemblyError as error:
        if diagnostics == "text":
            raise
        _show(error.diagnostics, diagnostics)  # type: ignore[arg-type]
        return EXIT_BAD_INPUT
    if made.warnings and not (no_warn and not werror):
        _show(made.warnings, diagnostics)
        if werror:
            return EXIT_BAD_INPUT
    _write(
        target, made.data if isinstance(made, ObjectFile) else _contents(made, form, debug=debug)
    )
    if listing is not None:
        _write(listing, listed.encode("utf-8", "surrogateescape"))
    if dependencies is not None:
        _write(dependencies, _rule(target, made.sources).encode("utf-8", "surrogateescape"))
    return EXIT_OK


def _rule(target: str, sources: Sequence[str]) -> str:
    """A make rule that says what the target is made from; make wants some characters quoted."""
    names = (
        name.replace("$", "$$").replace("#", "\\#").replace(" ", "\\ ")
        for name in (target, *sources)
    )
    return f"{next(names)}: {' '.join(names)}\n"


def _define(text: str) -> tuple[str, int]:
    """`SYM=VAL` or `SYM`, which is 1."""
    name, equals, value = text.partition("=")
    negative = value.startswith("-")
    number = unsigned(value[negative:]) if equals and len(value) <= MAX_DIGITS else 1
    if not name.replace(".", "_").replace("$", "_").isidentifier() or number is None:
        raise ConfigError(f"-D takes SYM=VAL, got {text[:80]!r}")
    return name, -number if negative else number


def _contents(program: Program, form: str, *, debug: bool) -> bytes:
    if form == "bin":
        return flat(program)
    if form == "hex":
        return hex_text(program).encode()
    return write_elf(program, debug=debug, directory=str(Path.cwd()))


def _show(diagnostics: Sequence[Diagnostic], form: str) -> None:
    for diagnostic in diagnostics:
        if form == "json":
            click.echo(json.dumps({"schema": 1, **diagnostic.as_json()}), err=True)
        else:
            click.echo(diagnostic.render() + "\n", err=True)


def _write(name: str, data: bytes) -> None:
    if name == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        Path(name).write_bytes(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot write {shown(name)}: {reason}") from None
