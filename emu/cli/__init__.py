"""The command `emu`: one module a subcommand, imported when it is used.

Knows how the program ends (exit codes, interrupted runs, closed pipes, internal errors) and
nothing about what the subcommands do.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from emu import __version__
from emu.cli.exit_codes import (
    EXIT_BAD_INPUT,
    EXIT_CLOSED_PIPE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
)
from emu.errors import AssemblyError, ConfigError, EmuError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORE = "emu.core._emu"

# name -> what `emu --help` says of it; the command itself is `command` in emu.cli.NAME
COMMANDS = {
    "run": "run a guest and report how it ended",
    "debug": "run a guest under the debugger, forwards and backwards",
    "gdb": "let gdb debug a guest, forwards and backwards",
    "asm": "assemble a program",
    "dis": "disassemble a file, or words given as hex",
    "trace": "show, compare or draw what a run has traced",
    "isa": "the manual of an instruction, SPR, interrupt or hcall",
    "explore": "every interleaving of a guest, within bounds",
    "litmus": "every interleaving of small tests in herd's dialect",
    "fuzz": "random programs in every interleaving, judged by what must hold",
    "bugs": "the bug zoo: historic bugs of KVM that can be switched on",
    "replay": "what a case shows, step by step, and whether it still does",
}


class LazyCommands(click.Group):
    """Subcommands that cost nothing until they are used: `emu --help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every subcommand, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"emu.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="emu", message="%(prog)s %(version)s")
def emu() -> None:
    """Assemble, run and explore SMT guests of Power ISA v3.0B under a model of KVM's Book3S HV.

    Exit codes: 0 fine, or the guest reported 0; 1 the guest reported failure, or an expectation
    failed; 2 usage; 3 bad input; 4 a limit was hit; 5 deadlock; 6 a guest trap that nobody
    handles; 7 a property is violated; 70 internal error; 130 interrupted; 141 nobody reads the
    output.
    """


def discard_output() -> None:
    """Send what is still to be written to nowhere.

    Python flushes standard output on its way out, and would complain of the same error again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str) -> None:
    """Say on standard error why the command ends; if nobody can be told, its exit code says it."""
    with contextlib.suppress(OSError):
        click.echo(message, err=True)


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Within this context a SIGINT does nothing."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread, which is the one that hears of it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def exit_code_of(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; whatever goes wrong becomes a message on stderr and an exit code."""
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        # Not emu.main(): it has an exit code of its own for a closed pipe.
        with emu.make_context("emu", given) as context:
            code: int = emu.invoke(context)
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        with deaf_to_ctrl_c():  # one is enough
            complain("emu: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return EXIT_CLOSED_PIPE
    except OSError as error:  # of our output: files to read are opened where they are needed
        complain(f"emu: cannot write: {error.strerror}")
        discard_output()
        return EXIT_INTERNAL
    except AssemblyError as error:
        errors = sum(found.severity == "error" for found in error.diagnostics)
        complain(f"{error}\n\n{errors} error{'s' * (errors != 1)}")
        return EXIT_BAD_INPUT
    except EmuError as error:
        complain(f"emu: {error}")
        return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_BAD_INPUT
    except Exception as error:  # noqa: BLE001  the last resort: no traceback reaches a user
        return internal(error)


def internal(error: Exception) -> int:
    """What no input should lead to, as a message; the traceback for those who ask."""
    if os.environ.get("EMU_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        complain(f"emu: out of memory{f': {error}' if str(error) else ''}")
    elif isinstance(error, ModuleNotFoundError) and error.name == CORE:
        complain(
            f"emu: the C core is not compiled in {Path(__file__).parents[2]}: `make build` does "
            "that there, and elsewhere an installed emu has its own"
        )
    else:
        complain(
            f"emu: internal error: {type(error).__name__}: {error}\n"
            "this is a defect of emu; EMU_DEBUG=1 in the environment shows where it happened"
        )
    return EXIT_INTERNAL


def open_standard_streams() -> None:
    """Make a standard stream that the shell closed (`emu ... <&-`) one that holds nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, stream)


def main() -> NoReturn:
    """The entry point of `emu` and `python -m emu`."""
    open_standard_streams()
    code = exit_code_of()
    # What is left is to leave: Python would show where in that a Ctrl-C has found it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)
