"""`emu explore`: every interleaving of a guest, or of one litmus test, within bounds."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from emu.asm.source import decode
from emu.cli.case_files import write_case
from emu.cli.ctrl_c import CtrlC
from emu.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, EXIT_VIOLATION
from emu.cli.guest_source import SOURCE_SUFFIXES, GuestSource, guest_options, load_guest
from emu.cli.input_files import litmus_files, read_input
from emu.cli.machine_options import MachineOptions, machine_options
from emu.cli.numbers import count
from emu.cli.progress import Progress
from emu.cli.refinement import refine_files
from emu.cli.registers import shown_registers
from emu.cli.virtual_machine import build
from emu.errors import ConfigError
from emu.explore.case import Setting
from emu.explore.guest import Ending, Explored, explore
from emu.explore.guest_case import guest_case
from emu.explore.litmus.parse import load
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.replay import with_trail
from emu.explore.search import Algorithm, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.explore.case import Case
    from emu.hv.host import Vm

ALGORITHMS = [algorithm.name.lower() for algorithm in Algorithm]
DEFAULT_STATES = 5_000_000


@click.command("explore")
@guest_options
@machine_options
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default="dfs",
    show_default=True,
    help="How the interleavings are gone through.",
)
@click.option("--preemptions", type=click.IntRange(min=0), help="Most preemptions of a run.")
@click.option(
    "--max-states",
    type=count,
    default=str(DEFAULT_STATES),
    show_default=True,
    help="Bound preemptions instead of storing more states.",
)
@click.option(
    "--timers",
    type=click.IntRange(0, 1000),
    default=1,
    show_default=True,
    help="How often in a run time may pass until something is due.",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Runs of random, pct and pos.",
)
@click.option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so many seconds.",
)
@click.option(
    "--show", multiple=True, metavar="r3,v1.lr,...", help="Make registers part of an outcome."
)
@click.option(
    "--refines",
    metavar="HOST:HOST",
    help="Of litmus tests, a file or a directory: the first host's outcomes must lie within the "
    "second's, up to accepted deviations.",
)
@click.option(
    "--save",
    "save_to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a case for each wrong outcome into this directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")  # fmt: skip
def command(
    guest: GuestSource,
    machine: MachineOptions,
    *,
    algorithm: str,
    preemptions: int | None,
    max_states: int,
    timers: int,
    runs: int,
    seconds: float | None,
    show: tuple[str, ...],
    refines: str | None,
    save_to: Path | None,
    as_json: bool,
) -> int:
    """Search all interleavings of a guest, the hypervisor's steps among them.

    GUEST is what emu run takes, or a .litmus file. An outcome is how the guest ended; exit code 7
    if in one it reports failure, deadlocks or loses a wakeup. The last line says how far the
    search went: exhaustive, exhaustive up to so many preemptions, or sampled.
    """
    if preemptions is not None and algorithm != "dfs":
        raise ConfigError(f"preemptions can be bounded for dfs only, got {algorithm}")
    options = Options(
        algorithm=Algorithm[algorithm.upper()],
        spurious=True,
        preemptions=preemptions,
        timers=timers,
        seed=machine.seed,
        max_runs=runs,
        max_states=max(1, max_states),
    )
    if refines is not None:
        if guest.name is None:
            raise ConfigError("--refines compares litmus tests: name a file or a directory")
        return refine_files(litmus_files([guest.name]), refines, options, as_json=as_json)
    with CtrlC() as interrupt:
        progress = Progress(interrupt, seconds)
        if _is_litmus(guest):
            found = _litmus(guest.name or "", machine.host, options, progress)
        else:
            found = _guest(guest, machine, options, show, progress)
        progress.clear()
    if as_json:
        click.echo(json.dumps(_report(found)))
    else:
        _print(found)
    if save_to is not None:
        for case in _cases(guest, machine, options, found):
            click.echo(f"replay: {write_case(case, save_to)}", err=True)
    if progress.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_VIOLATION if any(ending.bad for ending in found.endings) else EXIT_OK


def _guest(
    source: GuestSource,
    machine: MachineOptions,
    options: Options,
    show: tuple[str, ...],
    progress: Progress,
) -> Explored:
    guest = load_guest(source, machine.endian)
    if guest.end is not None:
        raise ConfigError("a search needs a guest that ends by H_EXIT: -e TEXT ends otherwise")
    named = [found for text in show for found in shown_registers(text, machine.vcpus)]

    def make() -> Vm:
        return build(machine, guest)

    registers = {str(found): found.ref for found in named}
    return explore(make, guest.program, options, registers, progress.step)


def _cases(
    source: GuestSource, machine: MachineOptions, options: Options, found: Explored
) -> Iterator[Case]:
    """Every wrong outcome as a case. Raises ConfigError for a guest that cannot be one."""
    if _is_litmus(source) or machine.machine == "pseries":
        raise ConfigError("--save is for bare guests; emu litmus --save is for litmus tests")
    guest = load_guest(source, machine.endian)
    setting = Setting(
        host=machine.host,
        smt=machine.smt,
        vcpus=machine.vcpus,
        cores=machine.cores,
        subcores=machine.subcores,
        mem=machine.mem,
        endian=guest.program.endian,
        thread_assignment=machine.thread_assignment,
        entry_exit=machine.entry_exit,
        run_when=machine.run_when,
        seed=machine.seed,
        bugs=machine.bug,
        spurious=options.spurious,
        timers=options.timers,
    )
    name = source.name or ""
    is_text = not source.raw and PurePath(name).suffix in SOURCE_SUFFIXES
    text = decode(read_input(name)) if is_text else None
    rules = set()
    for ending in found.endings:
        if ending.bad and ending.rule not in rules:
            rules.add(ending.rule)
            yield with_trail(guest_case(guest.program, guest.entry, setting, ending, text))


def _is_litmus(source: GuestSource) -> bool:
    return source.name is not None and PurePath(source.name).suffix == ".litmus"


def _litmus(name: str, host: str, options: Options, progress: Progress) -> Explored:
    """The same of a litmus test: what its final condition does not allow is bad."""
    test = load(Path(name))
    result = run(test, options, host, progress.step, texts=True)
    judgement = judge(result)
    wrong = {w.schedule: w.explanation for w in (*result.witnesses, *result.violations)}
    endings = [Ending(str(o), o.count, o.text, wrong.pop(o.text, "")) for o in result.outcomes]
    endings += [Ending(rule, 1, text, rule) for text, rule in wrong.items()]
    explained = {ending.bad for ending in endings}
    if judgement.failures and explained == {""}:
        endings += [Ending(failure, 0, "", failure) for failure in judgement.failures]
    return Explored(sorted(endings, key=lambda e: e.key), result.facts, result.cut)


def _print(found: Explored) -> None:
    for ending in found.endings:
        click.echo(f"{ending.count:<8}{'*' if ending.bad else ':'}>{ending.key}")
    for ending in found.endings:
        if ending.bad:
            click.echo(f"{ending.bad}\n  schedule: {ending.schedule}")
    if not found.endings and found.cut != "stopped":
        click.echo("no interleaving comes to an end")
    facts = found.facts
    states = 0 if facts is None else facts.states
    click.echo(f"{found.cut or 'exhaustive'}: {states} states", err=True)


def _report(found: Explored) -> dict[str, Any]:
    facts = found.facts
    return {
        "schema": 1,
        "outcomes": [
            {"key": e.key, "count": e.count, "schedule": e.schedule} for e in found.endings
        ],
        "executions": sum(ending.count for ending in found.endings),
        "complete": not found.cut,
        "extent": found.cut or "exhaustive",
        "states": 0 if facts is None else facts.states,
        "violations": [
            {"property": e.key, "explanation": e.bad, "schedule": e.schedule}
            for e in found.endings
            if e.bad
        ],
    }
