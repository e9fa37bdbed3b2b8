"""`emu replay`: a case, as explore, litmus and fuzz write them, replayed and told."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from emu.cli.case_files import read_case
from emu.cli.debug import run_repl
from emu.cli.exit_codes import EXIT_OK, EXIT_VIOLATION
from emu.cli.run import output
from emu.debug.choices import Choices
from emu.debug.inspected import Inspected
from emu.debug.session import Session
from emu.explore.avoidable import last_avoidable
from emu.explore.guest_case import program_of
from emu.explore.replay import replay, scene_of
from emu.explore.schedule import short_text
from emu.explore.zoo import switched_on
from emu.trace.trace_file import TraceFile

if TYPE_CHECKING:
    from typing import IO

    from emu.explore.avoidable import Avoidable
    from emu.explore.case import Case
    from emu.explore.narrate import Told
    from emu.explore.replay import Replay, Scene


@click.command("replay")
@click.argument("name", metavar="CASE")
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")
@click.option("--trace", metavar="FILE", help="Write the host's events, with steps for times.")
@click.option(
    "--debug",
    is_flag=True,
    help="Open it in the debugger, at the last point where it could be avoided.",
)
@click.option("-x", "scripts", multiple=True, metavar="SCRIPT", help="--debug: run a script.")
@click.option("--ex", "commands", multiple=True, metavar="CMD", help="--debug: run a command.")
@click.option("--batch", is_flag=True,
              help="--debug: leave then; exit 1 at the first command that fails.")  # fmt: skip
def command(
    name: str,
    *,
    as_json: bool,
    trace: str | None,
    debug: bool,
    scripts: tuple[str, ...],
    commands: tuple[str, ...],
    batch: bool,
) -> int:
    """Replay a case exactly and tell it step by step.

    CASE is a file that emu explore, litmus or fuzz wrote, - is standard input. It is replayed
    twice and the two are compared. Exit code 7 if what the case is about came again, 0 if not.
    """
    if as_json and trace == "-":
        raise click.UsageError("--json leaves no room for another report on standard output")
    case = read_case(name)
    if debug:
        if as_json or trace:
            raise click.UsageError("--debug goes with -x, --ex and --batch only")
        done = replay(case)
        decided = _decided(done)
        with switched_on(case.setting.bugs):
            session = _open(done, decided)
            return run_repl(session, scripts, commands, batch=batch)
    with contextlib.ExitStack() as files:
        file = files.enter_context(output(trace)) if trace else None
        laboratory = Inspected()
        tracing = None if file is None else _Tracing(file, laboratory)
        done = replay(case, None if tracing is None else tracing.step, laboratory)
    decided = _decided(done)
    if as_json:
        click.echo(json.dumps(_report(done, decided)))
    else:
        _print(done)
        if decided is not None:
            click.echo(str(decided))
    return EXIT_VIOLATION if done.reproduced else EXIT_OK


def _open(done: Replay, decided: Avoidable | None) -> Session:
    """Stand in the debugger at the last point where the bad end could be avoided, and say so."""
    case = done.case
    _print_case(case)
    for line in _fit(done):
        click.echo(line)
    if not done.reproduced:
        click.echo("it is not reproduced: this is the end of its schedule")
    exact = done.exact
    laboratory = Inspected()
    scene = scene_of(exact, laboratory=laboratory)

    def ended() -> str:
        bad = f"\nthis should not be: {case.expected}" if scene.bad() else ""
        return f"nothing more can happen: {scene.outcome()}{bad}"

    history = Choices(
        scene.host or laboratory.frame,
        scene.search,
        exact.schedule,
        loop=exact.loop,
        ended=ended,
    )
    steps = len(exact.schedule) - max(exact.loop, 1) if decided is None else max(decided.steps, 0)
    history.go_to_step(steps if done.reproduced else len(exact.schedule))
    if decided is not None:
        click.echo(str(decided))
    if exact.loop:
        click.echo(f"the last {exact.loop} steps lead back to where they began, for ever")
    click.echo(
        f"in front of step {steps} of {len(exact.schedule)}; `choose` lists what else can happen, "
        "`continue` follows the schedule"
    )
    program = program_of(exact) if exact.kind == "guest" else None
    session = Session(history.host, program, history=history)
    session.sources[exact.name] = exact.program.splitlines()  # what its lines are lines of
    choice = history.next()
    if choice is not None and choice.actor < len(history.host.vcpus):
        session.select(choice.actor)
    return session


def _print_case(case: Case) -> None:
    setting = case.setting
    bugs = f", bugs {' '.join(setting.bugs)}" if setting.bugs else ""
    click.echo(f"{case.name} on {setting.host}{bugs}: {case.property}: {case.expected}")


class _Tracing:
    """Writes a trace file, from the moment when the machine is there."""

    def __init__(self, file: IO[str], laboratory: Inspected) -> None:
        """laboratory: has the machine of a case without a hypervisor."""
        self._file = file
        self._laboratory = laboratory
        self._trace: TraceFile | None = None

    def step(self, scene: Scene, told: Told | None) -> None:
        """Write what happened in a step."""
        if self._trace is None:
            self._trace = TraceFile(scene.host or self._laboratory.frame, self._file)
        if told is not None:
            self._trace.drain(told.number)


def _decided(done: Replay) -> Avoidable | None:
    """The last point at which it could have been avoided, if it came."""
    case = done.exact
    if not done.reproduced or case.missing or case.invariant:
        return None
    with switched_on(case.setting.bugs):
        return last_avoidable(case)


def _print(done: Replay) -> None:
    case = done.case
    setting = case.setting
    bugs = f", bugs {' '.join(setting.bugs)}" if setting.bugs else ""
    click.echo(f"{case.name} on {setting.host}{bugs}: {case.property}")
    for told in done.told:
        click.echo(str(told))
    if case.loop:
        click.echo(f"the last {case.loop} steps lead back to where they began")
    click.echo(f"in the end: {done.outcome}")
    for line in _fit(done):
        click.echo(line)
    verdict = "reproduced" if done.reproduced else "not reproduced"
    click.echo(f"{verdict}: {case.expected}")


def _fit(done: Replay) -> list[str]:
    """How far the schedule had to be adapted, in words."""
    if not (done.skipped or done.inserted):
        return []
    changes = f"{done.skipped} of its steps were left out, {done.inserted} were added"
    return [f"the schedule is of another version: {changes}"]


def _report(done: Replay, decided: Avoidable | None) -> dict[str, Any]:
    case = done.case
    return {
        "schema": 1,
        "name": case.name,
        "kind": case.kind,
        "host": case.setting.host,
        "bugs": list(case.setting.bugs),
        "property": case.property,
        "expected": case.expected,
        "reproduced": done.reproduced,
        "outcome": done.outcome,
        "schedule": short_text(done.schedule),
        "last_avoidable": None if decided is None else decided.steps,
        "skipped": done.skipped,
        "inserted": done.inserted,
        "steps": [
            {
                "number": told.number,
                "actor": told.actor,
                "choice": short_text([told.choice]),
                "what": told.what,
                "place": told.place,
                "changes": list(told.changes),
            }
            for told in done.told
        ],
    }
