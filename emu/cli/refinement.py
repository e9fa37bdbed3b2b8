"""`--refines HOST:HOST` of emu litmus and emu explore: what one host shows, the other does too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from emu.cli.exit_codes import EXIT_BAD_INPUT, EXIT_LIMIT, EXIT_OK, EXIT_VIOLATION
from emu.cli.litmus_files import read_litmus
from emu.errors import EmuError
from emu.explore.deepening import is_limited
from emu.explore.deviations import DEVIATIONS
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.litmus.refinement import parse_pair, refine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.explore.litmus.refinement import Refinement
    from emu.explore.search import Options


def refine_files(paths: Iterable[str], pair_text: str, options: Options, *, as_json: bool) -> int:
    """Check every test and report; returns the exit code. Raises ConfigError for a bad pair."""
    pair = parse_pair(pair_text)
    laboratory = Laboratory()
    done: list[Refinement] = []
    errors = 0
    for path in paths:
        try:
            done.append(refine(read_litmus(path), pair, options, laboratory))
        except EmuError as error:
            click.echo(f"{error}" if "\n" in str(error) else f"emu: {path}: {error}", err=True)
            errors += 1
            continue
        if not as_json:
            click.echo(_text(done[-1]), nl=False)
    if as_json:
        click.echo(json.dumps({"schema": 1, "refinements": [_report(one) for one in done]}))
    if errors:
        return EXIT_BAD_INPUT
    if any(one.failures for one in done):
        return EXIT_VIOLATION
    return EXIT_LIMIT if any(is_limited(one.cut) for one in done) else EXIT_OK


def _text(one: Refinement) -> str:
    mine, allowed = one.outcomes
    names = sorted({extra.deviation for extra in one.extras if extra.deviation})
    verdict = "no" if one.failures else f"up to {', '.join(names)}" if names else "yes"
    extent = one.cut or "exhaustive"
    lines = [
        f"{one.test.name}: {one.pair}: {verdict} ({mine} outcomes within {allowed}, {extent})",
    ]
    for extra in one.extras:
        lines.append(f"  {extra.deviation or 'NOT ACCEPTED'}: {extra}")
        if extra.deviation:
            lines.append(f"    {DEVIATIONS[extra.deviation].shows}")
            lines.append(f"    because {DEVIATIONS[extra.deviation].cause}")
        lines.append(f"    schedule: {extra.schedule}")
    lines += [f"  Failed: {failure}" for failure in one.failures]
    return "".join(f"{line}\n" for line in lines)


def _report(one: Refinement) -> dict[str, Any]:
    mine, allowed = one.outcomes
    return {
        "name": one.test.name,
        "host": one.pair.host,
        "within": one.pair.within,
        "refines": not one.failures,
        "complete": not one.cut,
        "outcomes": {one.pair.host: mine, one.pair.within: allowed},
        "extras": [
            {"outcome": str(extra), "deviation": extra.deviation, "schedule": extra.schedule}
            for extra in one.extras
        ],
        "failures": list(one.failures),
    }
