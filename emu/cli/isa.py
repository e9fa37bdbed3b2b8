"""`emu isa`: the manual."""

from __future__ import annotations

import click

from emu.cli.exit_codes import EXIT_OK
from emu.isa.manual import UnknownNameError, index, manual, page


@click.command("isa")
@click.argument("name", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="The whole manual, as Markdown.")
def command(name: tuple[str, ...], *, everything: bool) -> int:
    """Print the manual's page of an instruction, SPR, interrupt or hcall.

    NAME is in any case of letters: msgsndp, TIR, spr446, 0xa00, H_CEDE, "system reset". Without
    a NAME, lists what there is.
    """
    if everything:
        click.echo(manual(), nl=False)
    elif name:
        try:
            click.echo(page(" ".join(name)), nl=False)
        except UnknownNameError as error:
            raise click.UsageError(str(error)) from None
    else:
        click.echo(index(), nl=False)
    return EXIT_OK
