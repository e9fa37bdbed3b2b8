"""What a search found wrong, as cases on disk: made small if asked for, each with its command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from emu.asm.source import decode
from emu.cli.case_files import write_case
from emu.cli.guest_source import SOURCE_SUFFIXES
from emu.cli.input_files import read_input
from emu.errors import ConfigError
from emu.explore.case import Setting
from emu.explore.guest import explore
from emu.explore.guest_case import guest_case
from emu.explore.litmus.parse import parse
from emu.explore.litmus.verdict import missing
from emu.explore.minimise import BFS_STATES, minimised
from emu.explore.replay import case_of, with_trail
from emu.explore.search import Algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emu.cli.guest_source import Guest, GuestSource
    from emu.cli.machine_options import MachineOptions
    from emu.cli.progress import Progress
    from emu.explore.case import Case
    from emu.explore.guest import Asked, Ending, Explored
    from emu.explore.litmus.verdict import Result
    from emu.explore.search import Options
    from emu.hv.vm import Vm


def save_litmus(
    result: Result,
    options: Options,
    folder: Path,
    bugs: tuple[str, ...],
    progress: Progress | None = None,
) -> None:
    """Write what is wrong with a test, and say how to replay each; the bugs must be on.

    progress: make it small first, for as long as that says.
    """
    for violation in (*result.violations, *result.witnesses, *missing(result)):
        test, shown = result.test, violation
        if progress is not None:
            again = parse(test.text, test.path)
            small = minimised(again, result.host, options, violation, go_on=progress.tried)
            progress.clear()
            if small is not None:
                test, shown = small.test, small.violation
        case = case_of(test, result.host, options, shown, bugs)
        click.echo(f"replay: {write_case(case, folder)}", err=True)


def save_guest(
    guest: Guest,
    source: GuestSource,
    machine: MachineOptions,
    options: Options,
    asked: Asked,
    found: Explored,
    folder: Path,
    make: Callable[[], Vm],
    progress: Progress | None = None,
) -> None:
    """Write each wrong way to end, and say how to replay it.

    progress: look for the schedules with the fewest context switches first, for as long as that
    says; the program of a guest stays as it is. make: makes the machine anew for that. Raises
    ConfigError for a guest that cannot be a case.
    """
    if machine.initrd is not None:
        raise ConfigError("--save cannot keep an --initrd: a case needs no other file")
    endings = {ending.rule: ending for ending in reversed(found.endings) if ending.bad}
    if progress is not None and not progress.interrupted and endings:
        ordered = replace(
            options,
            algorithm=Algorithm.BFS,
            preemptions=None,
            max_states=min(options.max_states, BFS_STATES),
        )
        shortest = explore(make, guest.program, ordered, asked, progress.step)
        progress.clear()
        endings |= {e.rule: e for e in reversed(shortest.endings) if e.rule in endings}
    for case in _cases(guest, source, machine, options, list(endings.values())):
        click.echo(f"replay: {write_case(case, folder)}", err=True)


def _cases(
    guest: Guest,
    source: GuestSource,
    machine: MachineOptions,
    options: Options,
    endings: list[Ending],
) -> Iterator[Case]:
    setting = Setting(
        host=machine.host,
        smt=machine.smt,
        vcpus=machine.vcpus,
        cores=machine.cores,
        subcores=machine.subcores,
        mem=machine.mem,
        endian=guest.program.endian,
        machine=machine.machine or ("pseries" if guest.relocates else "bare"),
        append=machine.append,
        pvr=machine.pvr or 0,
        rtc=machine.rtc,
        thread_assignment=machine.thread_assignment,
        entry_exit=machine.entry_exit,
        run_when=machine.run_when,
        seed=machine.seed,
        bugs=machine.bug,
        spurious=options.spurious,
        timers=options.timers,
    )
    name = source.name or ""
    text = source.text
    if text is None and not source.raw and PurePath(name).suffix in SOURCE_SUFFIXES:
        text = decode(read_input(name))
    for ending in endings:
        case = guest_case(guest.program, guest.entry, setting, ending, text, guest.end)
        yield with_trail(case)
