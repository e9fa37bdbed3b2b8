"""The options that describe a machine, the same for every subcommand that has one."""

from __future__ import annotations

import datetime as dt
import functools
import importlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from emu.cli.numbers import count, seed, size, unsigned
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS, Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.hv.policy import EntryExit, RunWhen, ThreadAssignment

SMT_MODES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOptions:
    """What was asked for, each value in its own range; whether it exists together is `hv`'s."""

    host: str
    smt: int
    vcpus: int
    cores: int
    mem: int
    endian: Literal["big", "little"]
    schedule: str
    seed: int
    max_insns: int | None
    machine: str | None
    subcores: int = 1
    thread_assignment: ThreadAssignment = "aligned"
    entry_exit: EntryExit = "map"
    run_when: RunWhen = "any"
    append: str = ""
    pvr: int | None = None
    initrd: str | None = None
    rtc: int = 0
    bug: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()  # names of the fields that were asked for in so many words


def smt_mode(text: str) -> int:
    """Read a virtual SMT mode."""
    if text not in {str(mode) for mode in SMT_MODES}:
        raise click.BadParameter(f"smt must be 1, 2, 4 or 8, got {text}")
    return int(text)


def processor_version(text: str) -> int:
    """Read a PVR."""
    number = unsigned(text)
    if number is None or number >= 1 << 32:
        raise click.BadParameter(f"pvr must be a number from 0 to 0xffffffff, got {text!r}")
    return number


def time_of_day(text: str) -> int:
    """Read a date as seconds since 1970: ISO 8601, UTC unless it says otherwise, or `@SECONDS`."""
    if text.startswith("@"):
        return count(text[1:])
    try:
        date = dt.datetime.fromisoformat(text)
    except ValueError:
        message = f"a date is 2024-02-29, 2024-02-29T23:59:59 or @SECONDS since 1970, got {text!r}"
        raise click.BadParameter(message) from None
    if date.tzinfo is None:
        date = date.replace(tzinfo=dt.UTC)
    return int(date.timestamp())


bug_option = click.option(
    "--bug", "bug", multiple=True, metavar="NAME",
    help="Put a bug of the zoo into the hypervisor; repeatable. `emu bugs` lists them.",
)  # fmt: skip

# In the order of `--help`, --host first; each name is a field of MachineOptions.
OPTIONS = (
    click.option("--host", type=click.Choice(["power7", "power8", "power9"]), default="power9",
                 show_default=True, help="Generation of the host processor."),
    click.option("--smt", type=smt_mode, metavar="N", default="1", show_default=True,
                 help="Virtual threads per virtual core: 1, 2, 4 or 8."),
    click.option("--vcpus", type=click.IntRange(1, 1024), metavar="N",
                 help="Virtual cpus.  [default: as --smt]"),
    click.option("--cores", type=click.IntRange(1, 256), metavar="N", default=1,
                 show_default=True, help="Physical cores."),
    click.option("--subcores", type=click.IntRange(1, 4), metavar="N", default=1,
                 show_default=True, help="Parts that each POWER8 core is split into: 1, 2 or 4."),
    click.option("--thread-assignment", type=click.Choice(THREAD_ASSIGNMENTS), default="aligned",
                 show_default=True,
                 help="POWER7 and POWER8: which hardware thread a vcpu runs on."),
    click.option("--entry-exit", type=click.Choice(ENTRY_EXITS), default="map", show_default=True,
                 help="POWER7 and POWER8: how threads leave the guest together."),
    click.option("--run-when", type=click.Choice(RUN_WHENS), default="any", show_default=True,
                 help="POWER7 and POWER8: which vcpus may be busy in host while others run."),
    click.option("--mem", type=size, metavar="SIZE", default="16M", show_default=True,
                 help="Guest memory."),
    click.option("--endian", type=click.Choice(["big", "little"]), default="big",
                 show_default=True, help="Of source and raw guests; an ELF says it itself."),
    click.option("--schedule", metavar="SPEC", default="rr", show_default=True,
                 help="Who runs when: rr[:N], random[:N], pct[:D], or a file with a schedule."),
    click.option("--seed", type=seed, metavar="N", default="0", show_default=True,
                 help="Of everything random."),
    click.option("--max-insns", type=count, metavar="N",
                 help="Stop after so many instructions of all vcpus together.  [default: none]"),
    click.option("--machine", type=click.Choice(["bare", "pseries"]),
                 help="How the guest starts.  [default: pseries for an ET_DYN ELF, else bare]"),
    click.option("--append", metavar="TEXT", default="",
                 help="pseries: the program's bootargs."),
    click.option("--pvr", type=processor_version, metavar="NUMBER",
                 help="pseries: processor version.  [default: the host's]"),
    click.option("--initrd", metavar="FILE",
                 help="pseries: bytes that the program finds in memory."),
    click.option("--rtc", type=time_of_day, metavar="DATE", default="@0",
                 help="pseries: what the clock shows first: an ISO date or @SECONDS since 1970."
                 "  [default: 1970-01-01]"),
    bug_option,
)  # fmt: skip


def machine_of(arguments: dict[str, Any], **fixed: Any) -> MachineOptions:  # noqa: ANN401
    """Take the machine out of a command's arguments. fixed: fields that are no option of it."""
    source = click.get_current_context().get_parameter_source
    names = {field.name for field in fields(MachineOptions)} - {"given", *fixed}
    given = frozenset(name for name in names if source(name) is ParameterSource.COMMANDLINE)
    chosen = {name: arguments.pop(name) for name in names}
    chosen["vcpus"] = chosen["vcpus"] or chosen["smt"]
    return MachineOptions(**chosen, **fixed, given=given)


def machine_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command all OPTIONS; it receives them as one argument `machine`."""

    @functools.wraps(command)
    def with_machine(**arguments: Any) -> int:  # noqa: ANN401  whatever else the command takes
        machine = machine_of(arguments)
        if not machine.bug:
            return command(machine=machine, **arguments)
        # Imported only now: most commands run without a bug, and should begin at once.
        zoo = importlib.import_module("emu.explore.zoo")
        policy = Policy(machine.thread_assignment, machine.entry_exit, machine.run_when)
        zoo.must_concern(machine.bug, machine.host, policy)
        with zoo.switched_on(machine.bug):
            return command(machine=machine, **arguments)

    with_options: Callable[..., int] = with_machine
    for option in reversed(OPTIONS):
        with_options = option(with_options)
    return with_options
