"""`emu debug`: the debugger's prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from emu.cli.debug_session import is_litmus, session_of, session_of_litmus
from emu.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from emu.cli.guest_source import GuestSource, guest_options
from emu.cli.input_files import read_input
from emu.cli.machine_options import MachineOptions, machine_options
from emu.debug.repl import Repl, standard

if TYPE_CHECKING:
    from emu.debug.session import Session


@click.command("debug")
@guest_options
@machine_options
@click.option("-x", "scripts", multiple=True, metavar="SCRIPT", help="Run commands from a file.")
@click.option("--ex", "commands", multiple=True, metavar="CMD", help="Run a command; repeatable.")
@click.option("--batch", is_flag=True,
              help="Leave after -x and --ex; exit 1 at the first command that fails.")  # fmt: skip
def command(
    guest: GuestSource,
    machine: MachineOptions,
    *,
    scripts: tuple[str, ...],
    commands: tuple[str, ...],
    batch: bool,
) -> int:
    """Run a guest under the debugger: `help` at its prompt lists the commands.

    Everything is recorded: reverse-stepi, reverse-continue and goto go back. GUEST is what emu run
    takes, or a .litmus file: then `choose` lists what can happen next, and makes it happen.
    """
    session = session_of_litmus(guest, machine) if is_litmus(guest) else session_of(guest, machine)
    return run_repl(session, scripts, commands, batch=batch)


def run_repl(
    session: Session, scripts: tuple[str, ...], commands: tuple[str, ...], *, batch: bool
) -> int:
    """Run what the command line says, then prompt unless `batch`; returns the exit code."""
    texts = [read_input(name).decode("utf-8", "replace") for name in scripts]
    repl = standard(session)
    with repl.ctrl_c:
        fine = _start(repl, texts, commands, stop=batch)
        if not fine and batch:
            return EXIT_INTERRUPTED if repl.interrupted else EXIT_FAILED
        if not batch and not repl.interpreter.quit:
            repl.loop()
    return EXIT_OK


def _start(repl: Repl, texts: list[str], commands: tuple[str, ...], *, stop: bool) -> bool:
    """Run what the command line says; False: a command failed, or was interrupted."""
    fine = True
    for text in (*texts, *commands):
        fine = repl.run_script(text) and fine
        if (stop and not fine) or repl.interrupted or repl.interpreter.quit:
            break
    return fine
