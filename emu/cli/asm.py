"""`emu asm`: source text to a program file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.asm import assemble, assemble_listing, assemble_object
from emu.asm.elf_writer import write_elf
from emu.asm.images import flat, hex_text
from emu.asm.source import decode
from emu.cli.exit_codes import EXIT_BAD_INPUT, EXIT_OK
from emu.cli.input_files import read_input
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
@click.option("--text-base", type=address, default="0x10000", show_default=True, metavar="ADDR",
              help="Where .text begins.")  # fmt: skip
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
        raise click.UsageError("--text-base must be a multiple of 4")
    source = text if text is not None else decode(read_input(file or "-"))
    filename = "<command line>" if text is not None else file or ""
    target = out or str(Path(file or "a").with_suffix(".o" if relocatable else SUFFIX[form]))
    for output in (target, listing, dependencies):
        if file is not None and output not in {None, "-"} and _same_file(str(output), file):
            raise click.UsageError(f"an output must not be the source itself, got {output}")
    options: dict[str, Any] = {
        "filename": "<standard input>" if filename == "-" else filename,
        "endian": endian,
        "include_dirs": directories,
        "defines": dict(_define(define) for define in defines),
        "text_base": text_base,
    }
    if relocatable:
        if form != "elf" or listing is not None:
            raise click.UsageError("--relocatable goes with neither --format nor --listing")
        del options["text_base"]
        _write(target, assemble_object(source, **options))
        return EXIT_OK
    try:
        if listing is None:
            program, listed = assemble(source, **options), ""
        else:
            program, listed = assemble_listing(source, **options)
    except AssemblyError as error:
        if diagnostics == "text":
            raise
        _show(error.diagnostics, diagnostics)  # type: ignore[arg-type]
        return EXIT_BAD_INPUT
    if program.warnings and not (no_warn and not werror):
        _show(program.warnings, diagnostics)
        if werror:
            return EXIT_BAD_INPUT
    _write(target, _contents(program, form, debug=debug))
    if listing is not None:
        _write(listing, listed.encode("utf-8", "surrogateescape"))
    if dependencies is not None:
        rule = f"{target}: {' '.join(program.sources)}\n"
        _write(dependencies, rule.encode("utf-8", "surrogateescape"))
    return EXIT_OK


def _same_file(one: str, other: str) -> bool:
    """Whether two names, spelt differently perhaps, are of one file that exists."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):  # one of them is still to be made
        return False


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
        raise ConfigError(f"cannot write {os.fsdecode(name)}: {reason}") from None
