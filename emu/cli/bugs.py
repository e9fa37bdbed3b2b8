"""`emu bugs`: the zoo's entries, and the matrix of what finds them."""

from __future__ import annotations

import inspect
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.exit_codes import EXIT_OK, EXIT_VIOLATION
from emu.explore.zoo import ZOO, bug
from emu.explore.zoo.matrix import Cell, Row, rows, tests_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.explore.zoo.bug import Bug, Kill

SUITE = Path("guests", "litmus")  # from the top of a clone: what `emu bugs NAME` prints begins so
WIDTH = 92


@click.command("bugs")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--kill-matrix", "matrix", is_flag=True,
              help="Run the bugs, all or those named, against every litmus test.")  # fmt: skip
@click.option("--named-tests", is_flag=True,
              help="Of the matrix: only the tests that an entry names.")  # fmt: skip
@click.option(
    "--cells",
    is_flag=True,
    help="Of the matrix: a line for each bug and test, not only their number.",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Of the matrix: processes, a bug at a time each.")  # fmt: skip
@click.option("--tests", type=click.Path(file_okay=False, path_type=Path),
              default=SUITE, show_default=True,
              help="Of the matrix: where the litmus tests are.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(
    names: tuple[str, ...],
    *,
    matrix: bool,
    named_tests: bool,
    cells: bool,
    jobs: int,
    tests: Path,
    as_json: bool,
) -> int:
    """Show the bug zoo: historic bugs of KVM, each of which --bug NAME switches on.

    Without a NAME, lists them; with one, tells the whole entry, with what it changes in the host
    code and the command that finds it. Exit code 7 if a bug escapes the tests that it names.
    """
    chosen = [bug(name) for name in names] or list(ZOO.values())
    if matrix:
        found = rows(chosen, tests_in(tests), every_test=not named_tests, jobs=jobs)
        return _matrix(found, cells=cells, as_json=as_json)
    if as_json:
        click.echo(json.dumps({"schema": 1, "bugs": [_object(entry) for entry in chosen]}))
    elif names:
        click.echo("\n".join(_page(entry) for entry in chosen), nl=False)
    else:
        width = max(map(len, ZOO))
        for entry in chosen:
            hosts = ",".join(host.removeprefix("power") for host in entry.hosts)
            click.echo(f"{entry.name:{width}}  {hosts:5}  {entry.title}")
    return EXIT_OK


def kill_command(entry: Bug, kill: Kill) -> str:
    """What a user types to see a test find a bug."""
    return f"emu litmus --bug {entry.name} --host {kill.host} guests/litmus/{kill.test}.litmus"


def _page(entry: Bug) -> str:
    text = " ".join(inspect.cleandoc(entry.mechanism).split())
    policy = "".join(f", --{k.replace('_', '-')} {v}" for k, v in entry.policy.items())
    lines = [
        f"{entry.name}: {entry.title}",
        "",
        *textwrap.wrap(str(entry.upstream), WIDTH, initial_indent="  ", subsequent_indent="  "),
        *(f"  [{e.tag}] {e.meaning}" for e in entry.upstream.evidence),
        "",
        *textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  "),
        "",
        f"hosts: {', '.join(entry.hosts)}{policy}",
        "found by:",
        *(f"  {kill_command(entry, kill)}" for kill in entry.killed_by),
        "",
        entry.diff,
        "",
    ]
    return "\n".join(lines)


def _object(entry: Bug) -> dict[str, object]:
    up = entry.upstream
    return {
        "name": entry.name,
        "title": entry.title,
        "upstream": {
            "title": up.title,
            "commit": up.commit,
            "year": up.year,
            "evidence": [e.tag for e in up.evidence],
        },
        "mechanism": " ".join(inspect.cleandoc(entry.mechanism).split()),
        "hosts": list(entry.hosts),
        "policy": dict(entry.policy),
        "killed_by": [
            {"test": k.test, "host": k.host, "command": kill_command(entry, k)}
            for k in entry.killed_by
        ],
        "diff": entry.diff,
    }


def _matrix(found: Iterator[Row], *, cells: bool, as_json: bool) -> int:
    done: list[Row] = []
    if not as_json:
        click.echo(
            f"{'bug':28} {'found by':24} {'states':>8} {'time':>7} {'steps':>5} {'switches':>8} "
            f"{'random':>7} {'pct':>7} {'pos':>7}  tests"
        )
    for row in found:
        done.append(row)
        if not as_json:
            click.echo(_line(row))
            for cell in row.cells if cells else ():
                click.echo(_cell_line(cell))
    if as_json:
        click.echo(json.dumps({"schema": 1, "matrix": [_row_object(row) for row in done]}))
    return EXIT_OK if all(row.found for row in done) else EXIT_VIOLATION


def _line(row: Row) -> str:
    first = row.named[0]
    by = f"{first.test}@{first.host.removeprefix('power')}" if row.found else "NOT FOUND"
    medians = " ".join(f"{'-' if m is None else f'{m:g}':>7}" for m in row.medians.values())
    steps, switches = (
        (row.shortest.steps, row.shortest.switches) if row.shortest.steps else ("-", "-")
    )
    failed = sum(bool(cell.failures) for cell in row.cells)
    return (
        f"{row.bug.name:28} {by:24} {first.states:8} {first.seconds:5.2f} s {steps:>5} "
        f"{switches:>8} {medians}  {failed} of {len(row.cells)}"
    )


def _cell_line(cell: Cell) -> str:
    verdict = "found" if cell.failures else "-"
    by = f"{cell.test}@{cell.host.removeprefix('power')}"
    return f"  {verdict:5}  {by:26} {cell.states:8} {cell.seconds:5.2f} s  {cell.extent}"


def _row_object(row: Row) -> dict[str, object]:
    return {
        "bug": row.bug.name,
        "found": row.found,
        "shortest": {"steps": row.shortest.steps, "switches": row.shortest.switches},
        "median_executions": row.medians,
        "cells": [
            {
                "test": cell.test,
                "host": cell.host,
                "found": bool(cell.failures),
                "failures": list(cell.failures),
                "states": cell.states,
                "seconds": round(cell.seconds, 6),
                "extent": cell.extent,
            }
            for cell in row.cells
        ],
    }
