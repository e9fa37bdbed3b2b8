"""The machine options for litmus tests, which say most of it themselves: what they may change."""

from __future__ import annotations

import functools
from copy import copy
from typing import TYPE_CHECKING, Any, Final

import click

from emu.cli.machine_options import OPTIONS, MachineOptions, machine_of
from emu.explore.litmus.guest import MEMORY, smt_mode
from emu.explore.litmus.laboratory import cores_needed
from emu.explore.litmus.run import DEFAULT_HOST
from emu.explore.litmus.text import litmus_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.explore.litmus.model import Litmus

POLICIES: Final = ("thread_assignment", "entry_exit", "run_when")
# What a test has no place for.
REFUSED: Final = ("subcores", "append", "pvr", "initrd", "rtc")


def litmus_machine_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command every machine option but --host, which it takes itself, as `machine`."""

    @functools.wraps(command)
    def with_machine(**arguments: Any) -> int:  # noqa: ANN401  whatever else the command takes
        return command(machine=machine_of(arguments, host=DEFAULT_HOST), **arguments)

    with_options: Callable[..., int] = with_machine
    for option in reversed(OPTIONS[1:]):
        with_options = option(with_options)
    return with_options


def fitted(test: Litmus, machine: MachineOptions) -> Litmus:
    """The test on the machine that the given options ask for, in the place of what it says itself.

    Raises click.UsageError for what it cannot be.
    """
    given = machine.given
    for name in REFUSED:
        if name in given:
            raise click.UsageError(f"a litmus test has no place for --{name}")
    if "machine" in given and machine.machine != "bare":
        raise click.UsageError(f"a litmus test needs --machine bare, got {machine.machine}")
    count = len(test.threads)
    if "vcpus" in given and machine.vcpus != count:
        raise click.UsageError(
            f"{test.name} has a vcpu for each of {count} columns, got {machine.vcpus}"
        )
    if "mem" in given and machine.mem < MEMORY:
        raise click.UsageError(f"a litmus test needs {MEMORY} bytes of memory, got {machine.mem}")
    header = dict(test.header)
    if "smt" in given:
        header["SMT"] = str(machine.smt)
    if "endian" in given:
        header["Endian"] = machine.endian
    chosen = [name for name in POLICIES if name in given]
    if chosen:
        old = [part.strip() for part in header.get("Policy", "").split(",") if part.strip()]
        kept = [part for part in old if part.partition(":")[0] not in chosen]
        header["Policy"] = ",".join([*kept, *(f"{n}:{getattr(machine, n)}" for n in chosen)])
    smt = smt_mode(header.get("SMT"), count)
    needed = cores_needed(machine.host, smt, count) if smt else 0  # the test is refused anyway
    if "cores" in given and machine.cores < needed:
        raise click.UsageError(
            f"{test.name} needs {needed} cores on {machine.host}, got {machine.cores}"
        )
    if header == test.header:
        return test
    other = copy(test)
    other.header = header
    other.text = litmus_text(other)
    return other
