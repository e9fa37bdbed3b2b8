"""A judged litmus test as herd prints it, as JSON, and as JUnit."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from emu.explore.litmus.condition import holds
from emu.explore.litmus.model import Address, Location, Quantifier, Register
from emu.explore.litmus.verdict import missing
from emu.explore.search import effort

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.explore.litmus.model import Litmus, Value
    from emu.explore.litmus.verdict import Judgement, Outcome, Result, Violation

_MODES = {
    Quantifier.EXISTS: "Allowed",
    Quantifier.NOT_EXISTS: "Forbidden",
    Quantifier.FORALL: "Required",
}


def herd_text(result: Result, judgement: Judgement) -> str:
    """The report that herd's own tools read: histogram, verdict, witnesses, observation."""
    test = result.test
    outcomes = sorted(result.outcomes, key=_order)
    lines = [
        f"Test {test.name} {_MODES[test.quantifier]}",
        f"Histogram ({len(outcomes)} states)",
    ]
    for outcome in outcomes:
        mark = "*" if holds(test.condition, outcome.state) else ":"
        lines.append(f"{outcome.count:<6}{mark}>{outcome}")
    lines += [
        "Ok" if judgement.met else "No",
        "Witnesses",
        f"Positive: {judgement.positive}, Negative: {judgement.negative}",
        f"Condition {test.quantifier} ({test.condition})",
        (
            f"Observation {test.name} {judgement.observation} "
            f"{judgement.positive} {judgement.negative}"
        ),
        f"Search {test.name} {search_words(result)}",
        f"Time {test.name} {result.seconds:.2f}",
        f"Hash={digest(test)}",
    ]
    lines += [f"Failed {test.name}: {failure}" for failure in judgement.failures]
    return "\n".join(lines) + "\n"


def search_words(result: Result) -> str:
    """How far the search went and what the histogram counts."""
    counted = "end states" if result.states else "executions"
    searched = effort(result.states, result.transitions)
    return f"{result.extent}, {searched}, {counted} counted, host {result.host}"


def digest(test: Litmus) -> str:
    """A name for the test's text that survives renaming the file."""
    return hashlib.sha256(test.text.encode()).hexdigest()[:32]


def json_object(result: Result, judgement: Judgement) -> dict[str, object]:
    """One entry of the list `tests` that `emu litmus --json` prints."""
    test = result.test
    exists = test.quantifier is Quantifier.EXISTS
    return {
        "name": test.name,
        "file": test.path,
        "host": result.host,
        "verdict": str(judgement.observation) if exists else "Ok" if judgement.met else "No",
        "observation": str(judgement.observation),
        "ok": not judgement.failures,
        "condition": f"{test.quantifier} ({test.condition})",
        "states": [_json_outcome(outcome) for outcome in sorted(result.outcomes, key=_order)],
        "executions": result.executions,
        "complete": result.complete,
        "search": {
            "extent": result.extent,
            "states": result.states,
            "transitions": result.transitions,
            "seconds": round(result.seconds, 6),
        },
        "failures": list(judgement.failures),
        "violations": [
            _json_violation(v) for v in (*result.violations, *result.witnesses, *missing(result))
        ],
    }


def _json_violation(violation: Violation) -> dict[str, object]:
    found: dict[str, object] = {
        "rule": violation.rule,
        "explanation": violation.explanation,
        "schedule": violation.schedule,
    }
    return {**found, "loop": violation.loop} if violation.loop else found


def _order(outcome: Outcome) -> list[tuple[int, int, str]]:
    """Numbers by value, then addresses by name."""
    return [
        (1, 0, v.name) if isinstance(v, Address) else (0, v, "") for v in outcome.state.values()
    ]


def _json_outcome(outcome: Outcome) -> dict[str, object]:
    """Registers as `0:r1`, cells by bare name, ghosts as they are written in conditions."""
    registers = {str(o): _json_value(v) for o, v in outcome.state.items() if type(o) is Register}
    cells = {o.name: _json_value(v) for o, v in outcome.state.items() if isinstance(o, Location)}
    ghosts = {
        str(o): _json_value(v)
        for o, v in outcome.state.items()
        if not isinstance(o, Register | Location)
    }
    return {
        "r": registers,
        "mem": cells,
        "ghost": ghosts,
        "count": outcome.count,
    }


def _json_value(value: Value) -> int | str:
    return value.name if isinstance(value, Address) else value


def junit(
    judged: Iterable[tuple[Result, Judgement]],
    options: Iterable[str] = (),
    unread: Iterable[tuple[str, str]] = (),
) -> str:
    """One test case a file and host; a failure's text is what failed, by which schedule, and again.

    options: of the command that finds it again, besides the host and the file. unread: files that
    are no tests, or could not be run, and why; each is an error.
    """
    suite = ET.Element("testsuite", name="emu litmus")
    tests = failures = 0
    for result, judgement in judged:
        tests += 1
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"litmus.{result.host}",
            name=result.test.name,
            file=result.test.path,
            time=f"{result.seconds:.3f}",
        )
        if judgement.failures:
            failures += 1
            element = ET.SubElement(case, "failure", message=judgement.failures[0])
            found = (*result.violations, *result.witnesses)
            schedules = [f"schedule: {v.schedule}" for v in found if v.schedule]
            again = ("emu", "litmus", "--host", result.host, *options, result.test.path)
            element.text = "\n".join([*judgement.failures, *schedules, f"run: {shlex.join(again)}"])
    errors = 0
    for path, reason in unread:
        errors += 1
        case = ET.SubElement(suite, "testcase", classname="litmus", name=path, file=path)
        text = "".join(
            c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in reason
        )
        ET.SubElement(case, "error", message=text.partition("\n")[0]).text = text
    suite.set("tests", str(tests + errors))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
