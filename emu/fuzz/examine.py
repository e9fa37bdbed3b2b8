"""One program: every interleaving searched, its outcomes judged, a breach made small and a case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emu.explore.case import Case, case_text
from emu.explore.litmus.model import And, Equal, Quantifier
from emu.explore.litmus.run import run
from emu.explore.litmus.text import litmus_text
from emu.explore.litmus.verdict import Violation
from emu.explore.replay import case_of
from emu.explore.search import Options
from emu.fuzz.lowering import litmus
from emu.fuzz.programs import Program, smaller

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Litmus
    from emu.explore.litmus.stage import Stage
    from emu.explore.litmus.verdict import Result
    from emu.fuzz.coverage import Item, Observer
    from emu.fuzz.properties import Property

MAX_STATES: Final = 50_000
OPTIONS: Final = Options(max_states=MAX_STATES)


@dataclass(frozen=True, slots=True)
class Finding:
    """A property that does not hold. operations: of the smallest program, thread by thread."""

    rule: str
    host: str
    case: Case
    operations: tuple[tuple[str, ...], ...]

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for what is probably the same defect: roles of threads, without their numbers."""
        return (self.rule, self.host, tuple(sorted(self.operations)))

    @property
    def text(self) -> str:
        """The case as a file."""
        return case_text(self.case)


@dataclass(frozen=True, slots=True)
class Examined:
    """What a search over one program found. broken: a property of which there were enough."""

    states: int
    exhaustive: bool
    finding: Finding | None
    broken: str
    items: frozenset[Item]


class Examiner:
    """Searches programs on one host and judges them.

    bugs: those of the zoo that are on. laboratory: has the machines, none made under other bugs.
    """

    def __init__(
        self,
        host: str,
        properties: Sequence[Property],
        laboratory: Laboratory,
        observer: Observer,
        bugs: Sequence[str] = (),
    ) -> None:
        self._host = host
        self._properties = properties
        self._laboratory = laboratory
        self._observer = observer
        self._bugs = bugs

    def examine(self, program: Program, enough: Container[str] = ()) -> Examined:
        """Search a program; what is wrong with it is made as small as it can be.

        enough: properties whose breaches are only counted. Raises SearchRefusedError.
        """
        reached: list[frozenset[Item]] = []

        def look(stage: Stage) -> None:
            reached.append(self._observer.look(stage, self._host))

        test = litmus(program, self._host)
        result = run(test, OPTIONS, self._host, laboratory=self._laboratory, look=look)
        items = reached[0]
        for row in self._properties:
            if self._breach(program, result, row) is not None:
                finding = None if row.name in enough else self._finding(program, row)
                broken = row.name if finding is None else ""
                return Examined(result.states, result.complete, finding, broken, items)
        return Examined(result.states, result.complete, None, "", items)

    def _run(self, test: Litmus, host: str = "") -> Result:
        """Search what is beside the program: a plainer or a smaller one."""
        host = host or self._host
        return run(test, OPTIONS, host, laboratory=self._laboratory, look=self._observer.pass_over)

    def _breach(self, program: Program, result: Result, row: Property) -> Violation | None:
        """The violation of a property in a result, without a schedule if an outcome shows it."""
        for violation in result.violations:
            if violation.rule in row.rules:
                return replace(violation, rule=row.name)
        if row.check is not None:
            for outcome in result.outcomes:
                wrong = row.check(program, result.host, outcome.state)
                if wrong is not None:
                    return Violation(row.name, wrong[0], condition=wrong[1])
        plainer = None if row.plainer is None else row.plainer(program, self._host)
        return None if plainer is None else self._beyond(result, row, *plainer)

    def _beyond(
        self, result: Result, row: Property, plainer: Program, host: str
    ) -> Violation | None:
        """An outcome that the plainer program does not have, if its search is exhaustive."""
        allowed = self._run(litmus(plainer, host), host)
        if not allowed.complete:
            return None
        shown = set(allowed.test.shown) & set(result.test.shown)
        known = {frozenset((o, outcome.state[o]) for o in shown) for outcome in allowed.outcomes}
        for outcome in result.outcomes:
            state = {o: value for o, value in outcome.state.items() if o in shown}
            if frozenset(state.items()) not in known:
                words = " ".join(f"{o}={value};" for o, value in state.items())
                condition = And(tuple(Equal(o, value) for o, value in state.items()))
                return Violation(row.name, f"{words} is an end state", condition=condition)
        return None

    def _smallest(self, program: Program, row: Property) -> Program:
        """Leave out what can be left out; every candidate is searched anew."""
        for candidate in smaller(program):
            if any(candidate.threads):
                result = self._run(litmus(candidate, self._host))
                if self._breach(candidate, result, row) is not None:
                    return self._smallest(candidate, row)
        return program

    def _finding(self, program: Program, row: Property) -> Finding:
        small = self._smallest(program, row)
        test = litmus(small, self._host, row.name)
        breach = self._breach(small, self._run(test), row)
        assert breach is not None
        if not breach.schedule and breach.condition is not None:
            test.quantifier, test.condition = Quantifier.NOT_EXISTS, breach.condition
            test.text = litmus_text(test)
            breach = replace(breach, schedule=self._run(test).witnesses[0].schedule)
        explained = replace(breach, explanation=f"{row.sentence}: {breach.explanation}")
        case = case_of(test, self._host, OPTIONS, explained, self._bugs)
        return Finding(row.name, self._host, case, _names(small.threads))


def _names(threads: Iterable[Iterable[tuple[str, int]]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(name for name, _ in ops) for ops in threads)
