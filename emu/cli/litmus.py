"""`emu litmus`: every interleaving of small tests, and herd's verdict on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.ctrl_c import CtrlC
from emu.cli.exit_codes import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_LIMIT,
    EXIT_OK,
    EXIT_VIOLATION,
)
from emu.cli.found_cases import save_litmus
from emu.cli.litmus_files import litmus_files, read_litmus
from emu.cli.litmus_machine import fitted, litmus_machine_options
from emu.cli.numbers import duration
from emu.cli.progress import Progress
from emu.cli.refinement import refine_files
from emu.cli.search_options import ALGORITHMS, MAX_DEPTH, PCT_DEPTH, algorithm_of
from emu.cli.writable import must_be_writable
from emu.errors import ConfigError, EmuError
from emu.explore.deepening import is_limited
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.report import herd_text, json_object, junit
from emu.explore.litmus.run import DEFAULT_HOST, run_within
from emu.explore.litmus.verdict import judge
from emu.explore.search import UNLIMITED, Algorithm, Options, effort
from emu.explore.zoo import ZOO, must_concern, switched_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.cli.machine_options import MachineOptions
    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.verdict import Judgement, Result


@click.command("litmus")
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY...")
@click.option("--host", "hosts", multiple=True,
              type=click.Choice(["power7", "power8", "power9"]),
              help="Host generation; repeatable.  [default: those that the test names, or "
                   f"{DEFAULT_HOST}]")  # fmt: skip
@litmus_machine_options
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    help="How the interleavings are gone through.  [default: as --schedule says, or dfs]",
)
@click.option("--preemptions", type=click.IntRange(min=0), help="Most preemptions of a run.")
@click.option("--no-ample", is_flag=True, help="Do not leave out orders of steps that commute.")
@click.option("--no-spurious", is_flag=True, help="A stwcx. fails only for lack of a reservation.")
@click.option("--max-states", type=click.IntRange(min=1),
              help="Bound preemptions instead of storing more states.")  # fmt: skip
@click.option(
    "--time",
    "seconds",
    type=duration,
    help="Of one test: stop after so many seconds, half of them within bounds.",
)
@click.option("--runs", type=click.IntRange(min=1), default=1000, show_default=True,
              help="Runs of random, pct and pos.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1, MAX_DEPTH),
              help=f"The d of pct.  [default: {PCT_DEPTH}]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a JUnit report, - for standard output.")  # fmt: skip
@click.option(
    "--save",
    "save_to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a case for each violation into this directory; emu replay takes it.",
)
@click.option(
    "--minimise", is_flag=True, help="With --save: make what is written as small as can be."
)
@click.option("--refines", metavar="HOST:HOST",
              help="Compare the outcomes on two hosts: the first's must lie within the second's, "
                   "up to accepted deviations.")  # fmt: skip
@click.option("--summary", is_flag=True, help="One line a test instead of herd's report.")
def command(
    files: tuple[str, ...],
    machine: MachineOptions,
    *,
    hosts: tuple[str, ...],
    algorithm: str | None,
    preemptions: int | None,
    no_ample: bool,
    no_spurious: bool,
    max_states: int | None,
    seconds: float | None,
    runs: int,
    depth: int | None,
    as_json: bool,
    junit_file: Path | None,
    save_to: Path | None,
    minimise: bool,
    refines: str | None,
    summary: bool,
) -> int:
    """Run litmus tests in herd's PPC dialect, doorbell tests among them.

    Every interleaving is gone through unless a bound says otherwise; the report says which it
    was. A directory stands for all *.litmus files in it and below, and prints a line a test. Exit
    code 7 if an expectation of a test is not met; else 4 if a limit was hit, on states, time or
    instructions.
    """
    if minimise and save_to is None:
        raise click.UsageError("--minimise needs --save DIRECTORY")
    chosen, pct_depth = algorithm_of(machine.schedule, algorithm, depth)
    if preemptions is not None and chosen is not Algorithm.DFS:
        raise ConfigError(f"preemptions can be bounded for dfs only, got {chosen.name.lower()}")
    if machine.max_insns is not None and chosen is Algorithm.DPOR:
        raise ConfigError("--max-insns bounds every algorithm but dpor")
    if as_json and str(junit_file) == "-":
        raise ConfigError("standard output takes --json or --junit -, not both")
    must_be_writable([junit_file], [save_to])
    bug = machine.bug
    options = Options(
        algorithm=chosen,
        ample=not no_ample,
        spurious=not no_spurious,
        preemptions=preemptions,
        pct_depth=pct_depth,
        seed=machine.seed,
        max_insns=machine.max_insns,
        max_runs=runs,
        max_states=UNLIMITED if max_states is None else max_states,
    )
    with switched_on(bug):  # whatever is wrong with the names is said before anything else
        if refines is not None:
            return refine_files(litmus_files(files), refines, options, as_json=as_json)
    for host in hosts:
        must_concern(bug, host)
    judged: list[tuple[Result, Judgement]] = []
    laboratory = Laboratory()
    unread: list[tuple[str, str]] = []
    paths = list(litmus_files(files))
    brief = summary or any(Path(name).is_dir() for name in files)
    whole = chosen is not Algorithm.DFS or preemptions is not None
    with CtrlC() as interrupt:
        for path in paths:
            try:
                test = read_litmus(path)
                for host in hosts or _hosts(test, bug):
                    ours = fitted(test, replace(machine, host=host))
                    progress = Progress(interrupt, seconds, whole=whole)
                    with switched_on(bug):
                        result = run_within(
                            ours, options, host, progress.step, laboratory, progress.go_on
                        )
                        progress.clear()
                        if save_to is not None:
                            small = Progress(interrupt) if minimise else None
                            save_litmus(result, options, save_to, bug, small)
                    judged.append((result, judge(result)))
                    if not as_json and str(junit_file) != "-":
                        _print(*judged[-1], brief=brief)
                    if interrupt.seen:
                        break
            except EmuError as error:
                click.echo(f"{error}" if "\n" in str(error) else f"emu: {path}: {error}", err=True)
                unread.append((path, str(error)))
            if interrupt.seen:
                break
    failed = sum(bool(judgement.failures) for _, judgement in judged)
    if as_json:
        click.echo(json.dumps({"schema": 1, "tests": [json_object(*pair) for pair in judged]}))
    if junit_file is not None:
        again = [word for name in bug for word in ("--bug", name)]
        _write_junit(junit_file, junit(judged, again, unread))
    if brief and not as_json:
        seconds = sum(result.seconds for result, _ in judged)
        click.echo(
            f"{len(judged)} results, {failed} failed, {len(unread)} not read, "
            f"{sum(result.states for result, _ in judged)} states, {seconds:.1f} s",
            err=True,
        )
    if interrupt.seen:
        return EXIT_INTERRUPTED
    if unread:
        return EXIT_BAD_INPUT
    if failed:
        return EXIT_VIOLATION
    return EXIT_LIMIT if any(is_limited(result.cut) for result, _ in judged) else EXIT_OK


def _hosts(test: Litmus, bugs: Iterable[str]) -> list[str]:
    """Those that the test is written for and that can have the bugs."""
    zoo = [ZOO[name] for name in bugs]
    hosts = test.hosts or (DEFAULT_HOST,)
    return [host for host in hosts if all(host in entry.hosts for entry in zoo)]


def _print(result: Result, judgement: Judgement, *, brief: bool) -> None:
    if not brief:
        click.echo(herd_text(result, judgement))
        return
    test = result.test
    verdict = "FAILED" if judgement.failures else "ok"
    searched = effort(result.states, result.transitions)
    click.echo(
        f"{verdict:6} {test.name} {result.host} {judgement.observation} "
        f"{judgement.positive} {judgement.negative} ({searched}, {result.extent})"
    )
    for failure in judgement.failures:
        click.echo(f"       {failure}")


def _write_junit(path: Path, text: str) -> None:
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
