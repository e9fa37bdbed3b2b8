"""`emu gdb`: a server for gdb's remote protocol."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.debug_session import session_of
from emu.cli.exit_codes import EXIT_OK
from emu.cli.guest_source import GuestSource, guest_options
from emu.cli.input_files import shown
from emu.cli.machine_options import MachineOptions, machine_options
from emu.debug.commands import Interpreter
from emu.debug.ctrl_c import CtrlC
from emu.debug.gdb.listening import Refusals, listen
from emu.debug.gdb.serve import Conversation, Pipes, Socket
from emu.errors import ConfigError, EmuError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session


@click.command("gdb")
@guest_options
@machine_options
@click.option("--stdio", is_flag=True, help="Talk on standard input and output.")
@click.option(
    "--listen",
    "address",
    metavar="HOST:PORT",
    help="Wait for gdb here; loopback unless HOST says otherwise.",
)
@click.option("--log", metavar="FILE", help="Write every packet to a file.")  # fmt: skip
def command(
    guest: GuestSource, machine: MachineOptions, *, stdio: bool, address: str | None,
    log: str | None,
) -> int:  # fmt: skip
    """Let gdb debug a guest: breakpoints, watchpoints, reverse execution, `monitor help`.

    \b
    gdb-multiarch guest.elf -ex 'target remote | emu gdb guest.elf --stdio'
    gdb-multiarch guest.elf -ex 'target remote :1234'    with emu gdb --listen :1234
    """  # noqa: D301 - \b is click's, and not an escape here
    if stdio == (address is not None):
        raise click.UsageError("one of --stdio and --listen")
    session = session_of(guest, machine)
    path = _elf_path(guest.name or "-")
    logging = _log(log)
    with CtrlC() as ctrl_c:
        if address is not None:
            return _serve(session, address, path, logging, ctrl_c)
        # What else is written must not get between the packets.
        out = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        stream = Pipes(sys.stdin.fileno(), out)
        conversation = Conversation(
            session, stream, monitor=monitor(session), path=path, log=logging, ctrl_c=ctrl_c
        )
        conversation.run()
    if conversation.lost is not None and not isinstance(conversation.lost, ConnectionError):
        raise ConfigError(f"cannot talk to gdb: {conversation.lost.strerror}")
    return EXIT_OK


def _serve(
    session: Session, address: str, path: str, log: Callable[[str], None] | None, ctrl_c: CtrlC
) -> int:
    """Serve one gdb after the other, until one kills the guest."""
    with listen(address) as listener:
        name, port = listener.getsockname()[:2]
        click.echo(f"emu: waiting for gdb at {name}:{port}", err=True)
        others = Refusals(listener)
        while True:
            with ctrl_c.waiting():
                connection, _ = listener.accept()
            with connection:
                conversation = Conversation(
                    session, Socket(connection), monitor=monitor(session), path=path, log=log,
                    others=others, ctrl_c=ctrl_c,
                )  # fmt: skip
                conversation.run()
            others.close()
            if conversation.stub.killed:
                return EXIT_OK


def monitor(session: Session) -> Callable[[str], str]:
    """Run the prompt's commands for gdb; what goes wrong is text too."""
    lines: list[str] = []
    interpreter = Interpreter(session, lines.append)

    def run(line: str) -> str:
        lines.clear()
        try:
            interpreter.execute(line)
        except EmuError as error:
            lines.append(f"error: {error}")
        except KeyboardInterrupt:  # gdb's Ctrl-C, in a search
            lines.append("interrupted")
        if interpreter.quit:
            interpreter.quit = False
            lines.append("error: leave with gdb's own detach, kill or disconnect")
        return "".join(f"{text}\n" for text in lines)

    return run


def _elf_path(name: str) -> str:
    """Where gdb finds the guest's symbols by itself; empty if it is not an ELF file."""
    if name == "-":
        return ""
    with Path(name).open("rb") as file:
        return str(Path(name).resolve()) if file.read(4) == b"\x7fELF" else ""


def _log(name: str | None) -> Callable[[str], None] | None:
    if name is None:
        return None
    try:
        file = Path(name).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - until the end
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot write {shown(name)}: {reason}") from None

    def write(line: str) -> None:
        try:
            print(line, file=file)
        except OSError as error:
            raise ConfigError(f"cannot write {shown(name)}: {error.strerror}") from None

    return write
