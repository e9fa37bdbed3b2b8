"""`emu explore`: every interleaving of a guest, or of one litmus test, within bounds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from emu.cli.ctrl_c import CtrlC
from emu.cli.exit_codes import EXIT_INTERRUPTED, EXIT_LIMIT, EXIT_OK, EXIT_VIOLATION
from emu.cli.found_cases import save_guest, save_litmus
from emu.cli.guest_source import GuestSource, guest_options, load_guest
from emu.cli.litmus_files import litmus_files, read_litmus
from emu.cli.litmus_machine import fitted
from emu.cli.machine_options import MachineOptions, machine_options
from emu.cli.numbers import count, duration
from emu.cli.progress import Progress
from emu.cli.refinement import refine_files
from emu.cli.search_options import ALGORITHMS, algorithm_of
from emu.cli.virtual_machine import build
from emu.cli.writable import must_be_writable
from emu.errors import ConfigError
from emu.explore.deepening import is_limited
from emu.explore.guest import Asked, Ending, Explored, explore
from emu.explore.litmus.run import run_within
from emu.explore.litmus.verdict import judge
from emu.explore.schedule import parse_short, short_text
from emu.explore.search import UNLIMITED, Algorithm, Options, effort
from emu.hv.registers import expectation, shown_registers

if TYPE_CHECKING:
    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.verdict import Result
    from emu.hv.vm import Vm

DEFAULT_STATES = 5_000_000


@click.command("explore")
@guest_options
@machine_options
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    help="How the interleavings are gone through.  [default: as --schedule says, else dfs]",
)
@click.option("--preemptions", type=click.IntRange(min=0), help="Most preemptions of a run.")
@click.option(
    "--max-states",
    type=count,
    help="Bound preemptions instead of storing more states.  [default: what a litmus test says, "
    f"else {DEFAULT_STATES}]",
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
    type=duration,
    help="Stop after so many seconds; half of them are for a search within bounds.",
)
@click.option(
    "--expect",
    multiple=True,
    metavar="REG==N",
    help="What must hold in every end: v1.r3==5, with ==, !=, <, <=, > or >=; repeatable.",
)
@click.option(
    "--never",
    multiple=True,
    metavar="REG==N",
    help="What must hold in no state between two steps; repeatable.",
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
@click.option(
    "--minimise", is_flag=True, help="With --save: by the fewest context switches; see emu litmus."
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")  # fmt: skip
def command(
    guest: GuestSource,
    machine: MachineOptions,
    *,
    algorithm: str | None,
    preemptions: int | None,
    max_states: int | None,
    timers: int,
    runs: int,
    seconds: float | None,
    expect: tuple[str, ...],
    never: tuple[str, ...],
    show: tuple[str, ...],
    refines: str | None,
    save_to: Path | None,
    minimise: bool,
    as_json: bool,
) -> int:
    """Search all interleavings of a guest, the hypervisor's steps among them.

    GUEST is what emu run takes, or a .litmus file. An outcome is how the guest ended; exit code 7
    if in one it reports failure, deadlocks or loses a wakeup, or does not meet --expect or --never;
    4 if a limit was hit: --max-states, --time or --max-insns. The last line says how far the search
    went: exhaustive, exhaustive up to so many preemptions, or sampled.
    """
    if minimise and save_to is None:
        raise click.UsageError("--minimise needs --save DIRECTORY")
    chosen, depth = algorithm_of(machine.schedule, algorithm)
    if preemptions is not None and chosen is not Algorithm.DFS:
        raise ConfigError(f"preemptions can be bounded for dfs only, got {chosen.name.lower()}")
    if machine.max_insns is not None and chosen is Algorithm.DPOR:
        raise ConfigError("--max-insns bounds every algorithm but dpor")
    options = Options(
        algorithm=chosen,
        spurious=True,
        preemptions=preemptions,
        timers=timers,
        pct_depth=depth,
        max_insns=machine.max_insns,
        seed=machine.seed,
        max_runs=runs,
        max_states=DEFAULT_STATES if max_states is None else max(1, max_states),
    )
    must_be_writable(folders=[save_to])
    if refines is not None:
        if guest.name is None:
            raise ConfigError("--refines compares litmus tests: name a file or a directory")
        return refine_files(litmus_files([guest.name]), refines, options, as_json=as_json)
    with CtrlC() as interrupt:
        progress = Progress(
            interrupt, seconds, whole=chosen is not Algorithm.DFS or preemptions is not None
        )
        small = Progress(interrupt) if minimise else None
        if _is_litmus(guest):
            if expect or never or show:
                raise ConfigError("a litmus test says itself what to show and what to expect")
            test = fitted(read_litmus(guest.name or ""), machine)
            if max_states is None and "states" in test.header.get("Limit", ""):
                options = replace(options, max_states=UNLIMITED)  # but for what the test says
            result = _litmus(test, machine.host, options, progress)
            found = _explored(result)

            def save(folder: Path) -> None:
                save_litmus(result, options, folder, machine.bug, small)

        else:
            loaded = load_guest(guest, machine.endian)
            asked = _asked(machine.vcpus, loaded.end, show, expect, never)

            def make() -> Vm:
                return build(machine, replace(loaded, end=None))

            found = explore(make, loaded.program, options, asked, progress.step, progress.go_on)

            def save(folder: Path) -> None:
                save_guest(loaded, guest, machine, options, asked, found, folder, make, small)

        progress.clear()
        if as_json:
            click.echo(json.dumps(_report(found)))
        else:
            _print(found)
        if save_to is not None:
            save(save_to)
    if interrupt.seen:
        return EXIT_INTERRUPTED
    if any(ending.bad for ending in found.endings):
        return EXIT_VIOLATION
    return EXIT_LIMIT if is_limited(found.cut) else EXIT_OK


def _asked(
    nvcpus: int,
    end: int | None,
    show: tuple[str, ...],
    expect: tuple[str, ...],
    never: tuple[str, ...],
) -> Asked:
    return Asked(
        shown=tuple(found for text in show for found in shown_registers(text, nvcpus)),
        expected=tuple(expectation(text, nvcpus) for text in expect),
        never=tuple(expectation(text, nvcpus) for text in never),
        end=end,
    )


def _is_litmus(source: GuestSource) -> bool:
    return source.name is not None and PurePath(source.name).suffix == ".litmus"


def _litmus(test: Litmus, host: str, options: Options, progress: Progress) -> Result:
    return run_within(test, options, host, progress.step, go_on=progress.go_on, texts=True)


def _explored(result: Result) -> Explored:
    """The same of a litmus test: what its final condition does not allow is bad."""
    judgement = judge(result)
    wrong = {w.schedule: w.explanation for w in (*result.witnesses, *result.violations)}
    endings = [Ending(str(o), o.count, o.text, wrong.pop(o.text, "")) for o in result.outcomes]
    loops = {v.schedule: v.loop for v in result.violations}
    endings += [
        Ending(rule, 1, text, rule, loop=loops.get(text, 0)) for text, rule in wrong.items()
    ]
    explained = {ending.bad for ending in endings}
    if judgement.failures and explained == {""}:
        endings += [Ending(failure, 0, "", failure) for failure in judgement.failures]
    endings.sort(key=lambda e: e.key)
    return Explored(endings, result.facts, result.cut, result.unjudged)


def _print(found: Explored) -> None:
    for ending in found.endings:
        click.echo(f"{ending.count:<8}{'*' if ending.bad else ':'}>{ending.key}")
    for ending in found.endings:
        if ending.bad:
            click.echo(f"{ending.bad}\n  schedule: {_schedule(ending)}")
    if not found.endings and not is_limited(found.cut):
        click.echo("no interleaving comes to an end")
    facts = found.facts
    searched = effort(0, 0) if facts is None else effort(facts.states, facts.steps)
    click.echo(f"{found.extent}: {searched}", err=True)


def _schedule(ending: Ending) -> str:
    if not ending.loop:
        return ending.schedule
    steps = parse_short(ending.schedule)
    begin, loop = steps[: -ending.loop], steps[-ending.loop :]
    return f"{short_text(begin)}\n  for ever: {short_text(loop)}"


def _report(found: Explored) -> dict[str, Any]:
    facts = found.facts
    return {
        "schema": 1,
        "outcomes": [
            {"key": e.key, "count": e.count, "schedule": e.schedule} for e in found.endings
        ],
        "executions": sum(ending.count for ending in found.endings),
        "complete": not found.cut,
        "extent": found.extent,
        "states": 0 if facts is None else facts.states,
        "violations": [
            {
                "property": e.key,
                "explanation": e.bad,
                "schedule": e.schedule,
                **({"loop": e.loop} if e.loop else {}),
            }
            for e in found.endings
            if e.bad
        ],
    }
