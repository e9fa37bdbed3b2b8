"""`emu run`: one run of one guest, and a report of how it ended."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from emu.cli import saved_vm
from emu.cli.ctrl_c import CtrlC
from emu.cli.exit_codes import (
    EXIT_DEADLOCK,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_LIMIT,
    EXIT_OK,
    EXIT_TRAP,
    EXIT_VIOLATION,
)
from emu.cli.guest_source import GuestSource, guest_options, load_guest
from emu.cli.input_files import must_not_overwrite, shown
from emu.cli.machine_options import MachineOptions, machine_options
from emu.cli.numbers import count
from emu.cli.report import ending, json_report, print_table, register_lines, state_lines
from emu.cli.virtual_machine import actor_names, build, scheduler_of
from emu.cli.writable import must_be_writable
from emu.errors import ConfigError
from emu.hv.host import CHUNK, Outcome
from emu.hv.registers import expectation, shown_registers
from emu.hv.schedule_text import schedule_lines
from emu.trace.statistics import Statistics
from emu.trace.trace_file import TRACE_CHUNK, TraceFile

if TYPE_CHECKING:
    from emu.cli.guest_source import Guest
    from emu.hv.registers import Register
    from emu.hv.vm import Vm

EXIT_CODES = {
    "limit": EXIT_LIMIT,
    "deadlock": EXIT_DEADLOCK,
    "trap": EXIT_TRAP,
    "interrupted": EXIT_INTERRUPTED,
    "violation": EXIT_VIOLATION,
}


@click.command("run")
@guest_options
@machine_options
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")
@click.option("--stats", is_flag=True, help="Count instructions, exits, interrupts, doorbells.")
@click.option("--trace", metavar="FILE", help="Write one event a line, as JSON.")
@click.option("--record", metavar="FILE", help="Write the run's schedule, for --schedule FILE.")
@click.option(
    "--expect",
    multiple=True,
    metavar="'v1.r3==5'",
    help="Fail unless it holds in the end; repeatable.",
)
@click.option("--show", multiple=True, metavar="r3,v1.lr,...", help="Print registers in the end.")
@click.option("--check", is_flag=True, help="Check the hypervisor's invariants at every step.")
@click.option(
    "--save",
    "save_to",
    metavar="FILE",
    help="Save the VM where a limit ends the run; see --save-at.",
)
@click.option(
    "--save-at",
    type=count,
    metavar="N",
    help="End the run after N instructions of all vcpus, and save the VM.",
)
@click.option("--restore", metavar="FILE",
              help="Go on with a saved VM, which also says --smt, --vcpus and --mem.")  # fmt: skip
def command(
    guest: GuestSource,
    machine: MachineOptions,
    *,
    as_json: bool,
    stats: bool,
    trace: str | None,
    record: str | None,
    expect: tuple[str, ...],
    show: tuple[str, ...],
    check: bool,
    save_to: str | None,
    save_at: int | None,
    restore: str | None,
) -> int:
    """Run a guest and report how it ended.

    GUEST is a .s file, an ELF64 executable, a flat image (--raw), or - for assembly on standard
    input. Its console goes to standard output, all else to standard error.
    """
    if save_at is not None and save_to is None:
        raise click.UsageError("--save-at N needs --save FILE")
    if save_to is not None and save_at is None and machine.max_insns is None:
        raise click.UsageError("--save FILE needs --save-at N (or --max-insns N): where to save")
    if as_json and "-" in {trace, record}:
        raise click.UsageError("--json leaves no room for another report on standard output")
    must_not_overwrite(guest.name, [trace, record, save_to])
    must_not_overwrite(restore, [trace, record])
    must_be_writable([save_to])
    if restore is None:
        loaded = load_guest(guest, machine.endian)
        vm = build(machine, loaded)
    else:
        vm, loaded = saved_vm.restore(machine, restore)
    vm.host.check = check
    scheduler = scheduler_of(machine, vm.host)
    expectations = [expectation(text, len(vm.vcpus)) for text in expect]
    registers = [found for text in show for found in shown_registers(text, len(vm.vcpus))]
    limit = machine.max_insns if save_at is None else min(save_at, machine.max_insns or save_at)
    saved = False
    with contextlib.ExitStack() as files:
        events = None if trace is None else files.enter_context(output(trace))
        tracing = None if events is None else TraceFile(vm.host, events)
        turns = None if record is None else files.enter_context(output(record))
        vm.host.engine.record(turns is not None)
        interrupt = files.enter_context(CtrlC())
        console = Console(vm, silent=as_json)

        def watch() -> None:
            console.drain()
            if tracing:
                tracing.drain()
            interrupt.check()

        try:
            outcome = vm.host.run(
                scheduler,
                max_insns=limit,
                on_chunk=watch,
                chunk=TRACE_CHUNK if tracing else CHUNK,
            )
            if save_to is not None and outcome.kind == "limit":
                outcome = saved_vm.save(vm, save_to) or outcome
                watch()
                saved = outcome.kind == "limit"
        except KeyboardInterrupt:
            outcome = Outcome("interrupted", vm.host.instructions)
        if turns:
            names = actor_names(vm.host)
            turns.writelines(f"{line}\n" for line in schedule_lines(vm.host.schedule(), names))
    failures = [found for wanted in expectations if (found := wanted.failure(vm))]
    if as_json:
        click.echo(json.dumps({**json_report(vm, outcome), "failures": failures}))
    say(vm, loaded, outcome, registers, failures)
    if save_to is not None and not saved:
        click.echo(f"{shown(save_to)} was not written: the run ended before", err=True)
    if stats:
        print_table(Statistics(vm))
    if saved and save_at is not None and vm.host.instructions >= save_at:
        return EXIT_FAILED if failures else EXIT_OK  # it ended where it was to end
    return exit_code(outcome, failures)


class Console:
    """The guest's console: what it writes is on standard output a moment later."""

    def __init__(self, vm: Vm, *, silent: bool) -> None:
        self._vm = vm
        self._done = 0
        self._silent = silent

    def drain(self) -> None:
        """Write what is new."""
        if not self._silent and (text := self._vm.console_from(self._done)):
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
            self._done += len(text)


def output(name: str) -> contextlib.AbstractContextManager[IO[str]]:
    """A file to write, or standard output for `-`.

    Raises ConfigError.
    """
    if name == "-":
        return contextlib.nullcontext(sys.stdout)
    try:
        return Path(name).open("w", encoding="ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot write {shown(name)}: {reason}") from None


def say(
    vm: Vm, guest: Guest, outcome: Outcome, registers: list[Register], failures: list[str]
) -> None:
    """Tell people how it ended."""
    lines = register_lines(vm, registers)
    lines.append(f"emu: {ending(outcome, len(vm.vcpus))}")
    lines += [f"  {line}" for line in outcome.explanation.splitlines()]
    if outcome.kind != "exit":
        lines += state_lines(vm, guest)
    lines += failures
    click.echo("\n".join(lines), err=True)


def exit_code(outcome: Outcome, failures: list[str]) -> int:
    """The exit code by the contract: how it ended comes before what was expected."""
    if outcome.kind != "exit":
        return EXIT_CODES[outcome.kind]
    return EXIT_FAILED if outcome.status or failures else EXIT_OK
