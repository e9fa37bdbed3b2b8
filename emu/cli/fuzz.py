"""`emu fuzz`: random programs, every interleaving of each, and what must hold of them all."""

# ruff: noqa: PLC0415  `emu fuzz --help` does not wait for what only a campaign needs

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click

from emu.cli.ctrl_c import CtrlC
from emu.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, EXIT_VIOLATION
from emu.cli.numbers import duration
from emu.cli.writable import must_be_writable
from emu.errors import ConfigError

if TYPE_CHECKING:
    from emu.fuzz.corpus import Folder
    from emu.fuzz.examine import Finding
    from emu.fuzz.executors import Executor
    from emu.fuzz.plan import Batch, Plan

HOSTS = ("power7", "power8", "power9")
DEFAULT_RUNS = 1000


@click.command("fuzz")
@click.option("--runs", type=click.IntRange(min=1), metavar="N",
              help=f"Programs to draw.  [default: {DEFAULT_RUNS}, or until --time]")  # fmt: skip
@click.option("--time", "seconds", type=duration, metavar="S",
              help="Seconds after which no new batch begins.")  # fmt: skip
@click.option("--property", "properties", multiple=True, metavar="NAME",
              help="What to look for; repeatable.  [default: every property]")  # fmt: skip
@click.option("--list-properties", is_flag=True, help="Say what the properties are, and stop.")
@click.option("--host", "hosts", multiple=True, type=click.Choice(HOSTS),
              help="Host generation; repeatable.  [default: all, in turn]")  # fmt: skip
@click.option("--smt", type=click.Choice(["1", "2", "4", "8"]),
              help="Virtual threads per virtual core.  [default: drawn]")  # fmt: skip
@click.option("--vcpus", type=click.IntRange(1, 8), metavar="N",
              help="Virtual cpus.  [default: drawn]")  # fmt: skip
@click.option("--endian", type=click.Choice(["big", "little"]), help="[default: drawn]")
@click.option("--bug", "bugs", multiple=True, metavar="NAME",
              help="Switch on an entry of the bug zoo; repeatable.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of everything that is drawn.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Let the workers of a Dask scheduler do it: tcp://HOST:8786. Needs the extra "
                   "`cluster`.")  # fmt: skip
@click.option(
    "--corpus",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Begin with the programs there, and keep there those that reach something new.",
)
@click.option(
    "--coverage",
    "coverage_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what was reached and what never, - for standard output.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              default=Path("findings"), show_default=True,
              help="Where cases are written; made if there is one.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a JUnit report: a test case a property; - for stdout.")  # fmt: skip
def command(
    runs: int | None,
    seconds: float | None,
    properties: tuple[str, ...],
    list_properties: bool,
    hosts: tuple[str, ...],
    smt: str | None,
    vcpus: int | None,
    endian: str | None,
    bugs: tuple[str, ...],
    seed: int,
    jobs: int,
    scheduler: str | None,
    corpus: Path | None,
    coverage_file: Path | None,
    out: Path,
    as_json: bool,
    junit_file: Path | None,
) -> int:
    """Draw programs, search every interleaving of each, and judge every end.

    What is found is made as small as it can be and written as a case, which `emu replay` runs.
    The same seed finds the same, whatever the number of jobs. Exit code 7 on a finding.
    """
    # Imported here: `emu fuzz --help` needs none of it.
    from emu.explore.zoo import concerned, must_concern
    from emu.fuzz.campaign import campaign
    from emu.fuzz.corpus import Folder
    from emu.fuzz.coverage import coverage_text
    from emu.fuzz.plan import HOSTS as ALL_HOSTS
    from emu.fuzz.plan import Batch, Plan
    from emu.fuzz.programs import Bounds
    from emu.fuzz.properties import chosen

    if as_json + (str(coverage_file) == "-") + (str(junit_file) == "-") > 1:
        raise click.UsageError(
            "standard output takes one of --json, --coverage - and --junit -, not two"
        )
    if list_properties:
        for row in chosen(properties):
            click.echo(f"{row.name}\n    {row.sentence}\n    {row.page}")
        return EXIT_OK
    must_be_writable([coverage_file, junit_file], [out, corpus])
    for host in hosts:
        must_concern(bugs, host)
    plan = Plan(
        hosts=hosts or concerned(bugs, ALL_HOSTS),
        runs=DEFAULT_RUNS if runs is None and seconds is None else runs,
        seconds=seconds,
        properties=properties,
        bugs=bugs,
        seed=seed,
        bounds=Bounds(
            smt=None if smt is None else int(smt),
            threads=vcpus,
            little=None if endian is None else endian == "little",
        ),
    )
    if "power7" in plan.hosts and smt == "8":
        raise ConfigError("power7 has SMT modes 1, 2 and 4, got smt 8")
    folder = None if corpus is None else Folder(corpus)
    known = [] if folder is None else list(folder.read())
    reporter = _Reporter(out, folder)
    interrupted = False
    # Not raised wherever it comes: Hypothesis has code in the garbage collector, which drops it.
    with CtrlC() as interrupt:
        try:
            campaign(plan, reporter.tell, _executor(plan, jobs, scheduler, interrupt), known)
        except KeyboardInterrupt:
            interrupted = True
    reporter.end()
    total, elapsed = reporter.total or Batch(), reporter.elapsed
    if as_json:
        click.echo(json.dumps(_report(total, elapsed, out)))
    elif str(junit_file) != "-":
        _print(total, elapsed, out)
    if coverage_file is not None:
        _write(coverage_file, coverage_text(total.coverage))
    if junit_file is not None:
        _write(junit_file, _junit(plan, total))
    if interrupted:
        click.echo("emu: interrupted", err=True)
        return EXIT_INTERRUPTED
    return EXIT_VIOLATION if total.findings or total.unreplayed else EXIT_OK


def _executor(plan: Plan, jobs: int, scheduler: str | None, interrupt: CtrlC) -> Executor:
    """Who does it."""
    from emu.fuzz.cluster import Cluster
    from emu.fuzz.executors import Here, Processes

    if scheduler is not None:
        if jobs != 1:
            raise click.UsageError("--scheduler has its own workers: it goes without --jobs")
        return Cluster(plan, scheduler, interrupt.check)
    return Here(plan, interrupt.check) if jobs == 1 else Processes(plan, jobs, interrupt.check)


class _Reporter:
    """The progress line on standard error, and cases and programs as soon as they are found."""

    def __init__(self, out: Path, corpus: Folder | None) -> None:
        self._out = out
        self._corpus = corpus
        self._written = self._kept = 0
        self._terminal = sys.stderr.isatty()
        self._line = ""
        self._next = 0.0
        self.total: Batch | None = None
        self.elapsed = 0.0

    def tell(self, total: Batch, elapsed: float) -> None:
        """Hear of the sum so far."""
        self.total, self.elapsed = total, elapsed
        for finding in total.findings[self._written :]:
            self._out.mkdir(parents=True, exist_ok=True)
            _write(case_path(self._out, finding), finding.text)
        self._written = len(total.findings)
        if self._corpus is not None:
            for kept in total.kept[self._kept :]:
                self._corpus.write(kept.program, kept.host)
        self._kept = len(total.kept)
        self._line = _progress(total, elapsed)
        if self._terminal:
            click.echo(f"\r\x1b[K{self._line}", nl=False, err=True)
        elif elapsed >= self._next:
            click.echo(self._line, err=True)
            self._next = elapsed + 10

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._line:
            click.echo(err=True)


def _progress(total: Batch, elapsed: float) -> str:
    rate = max(elapsed, 1e-9)
    share = 100 * total.exhaustive / max(1, total.programs)
    return (
        f"{elapsed:6.1f} s  programs {total.programs} ({total.programs / rate:.0f}/s)  "
        f"states {total.states} ({total.states / rate:.0f}/s)  exhaustive {share:.1f}%  "
        f"steps {_covered(total, 'step')}  events {_covered(total, 'exit', 'interrupt')}  "
        f"corpus {len(total.kept)}  found {len(total.findings)}"
    )


def _covered(total: Batch, *kinds: str) -> int:
    """How many items of these kinds were reached, of all hosts together."""
    return sum(item.kind in kinds for item in total.coverage)


def case_path(out: Path, finding: Finding) -> Path:
    """Where a finding is written: named after its property and its content."""
    digest = hashlib.sha256(finding.text.encode()).hexdigest()[:8]
    return out / f"{finding.rule}-{digest}.case"


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that several campaigns can share a directory.

    To standard output for `-`.
    """
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():  # a device or a pipe is not to be replaced
            path.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _report(total: Batch, elapsed: float, out: Path) -> dict[str, object]:
    from emu.explore.schedule import short_text
    from emu.fuzz.coverage import coverage_object

    return {
        "schema": 1,
        "runs": total.programs,
        "violations": [
            {
                "property": finding.rule,
                "host": finding.host,
                "expected": finding.case.expected,
                "case": str(case_path(out, finding)),
                "shrunk": {
                    "program": finding.case.program,
                    "schedule": short_text(finding.case.schedule),
                },
            }
            for finding in total.findings
        ],
        "execs_per_s": round(total.programs / max(elapsed, 1e-9), 1),
        "states": total.states,
        "exhaustive": total.exhaustive,
        "refused": total.refused,
        "repeats": total.repeats,
        "unreplayed": [found._asdict() for found in total.unreplayed],
        "mutants": total.mutants,
        "corpus": len(total.kept),
        "operations": dict(sorted(total.operations.items())),
        "coverage": coverage_object(total.coverage),
        "seconds": round(elapsed, 3),
    }


def _print(total: Batch, elapsed: float, out: Path) -> None:
    from emu.fuzz.plan import never_drawn

    for finding in total.findings:
        click.echo(f"{finding.rule} on {finding.host}: {finding.case.expected}\n")
        click.echo(finding.case.assembly)
        click.echo(f"replay: emu replay {shlex.quote(str(case_path(out, finding)))}\n")
    for rule, host, what in total.unreplayed:
        click.echo(f"{rule} on {host}, which cannot be replayed: {what}\n")
    click.echo(_progress(total, elapsed))
    missing = never_drawn(total)
    if missing:
        click.echo(f"never drawn: {', '.join(missing)}")


def _junit(plan: Plan, total: Batch) -> str:
    from emu.fuzz.properties import chosen

    suite = ET.Element("testsuite", name="emu fuzz")
    rows = chosen(plan.properties)
    failed = {found.rule for found in total.findings} | {rule for rule, _, _ in total.unreplayed}
    suite.set("tests", str(len(rows)))
    suite.set("failures", str(len(failed)))
    for row in rows:
        case = ET.SubElement(suite, "testcase", classname="fuzz", name=row.name)
        for finding in total.findings:
            if finding.rule == row.name:
                element = ET.SubElement(case, "failure", message=finding.case.expected)
                element.text = finding.text
        for rule, _, what in total.unreplayed:
            if rule == row.name:
                ET.SubElement(case, "failure", message=what)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
