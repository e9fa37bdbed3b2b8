"""One program: every interleaving searched, its outcomes judged, a breach made small and a case."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.errors import ReplayError
from emu.explore.case import Case, case_text
from emu.explore.litmus.model import And, Equal, Quantifier, Requirement
from emu.explore.litmus.run import run
from emu.explore.litmus.text import litmus_text
from emu.explore.litmus.verdict import MISSING, Violation
from emu.explore.minimise import fewest_switches
from emu.explore.replay import case_of
from emu.explore.search import Options
from emu.explore.walks import INVARIANT
from emu.fuzz.agreement import Trial
from emu.fuzz.lowering import litmus
from emu.fuzz.programs import STOPPERS, Program, smaller
from emu.fuzz.signature import signature

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Litmus, Observable, Value
    from emu.explore.litmus.stage import Stage
    from emu.explore.litmus.verdict import Result
    from emu.fuzz.coverage import Item, Observer
    from emu.fuzz.properties import Property
    from emu.fuzz.signature import Deciding

MAX_STATES: Final = 20_000  # twice that would take twice the time for 4% more whole searches
# They take a whole core out of the guest for one vcpu: next to no search is whole then.
WHOLE_CORES: Final = ("power7", "power8")
WHOLE_ANYWAY: Final = 4  # one in so many of those programs is searched like others
MAX_PLAINER: Final = 2000  # plainer programs whose end states are kept
OPTIONS: Final = Options(max_states=MAX_STATES)
UNPREEMPTED: Final = Options(max_states=MAX_STATES // 2, preemptions=0)
KINDS: Final = (MISSING, INVARIANT)  # rules of violations that are cases of a kind of their own


@dataclass(frozen=True, slots=True)
class Finding:
    """A property that does not hold. operations: of the smallest program, thread by thread.

    deciding: who could do what at the last point at which it could be avoided.
    """

    rule: str
    host: str
    case: Case
    operations: tuple[tuple[str, ...], ...]
    deciding: frozenset[Deciding]

    @property
    def signature(self) -> tuple[str, frozenset[Deciding]]:
        """Equal for what is probably the same defect, whatever program shows it."""
        return (self.rule, self.deciding)

    @property
    def text(self) -> str:
        """The case as a file."""
        return case_text(self.case)


class Unreplayed(NamedTuple):
    """A breach of a property that could not be made to happen again. what: it, in a sentence."""

    rule: str
    host: str
    what: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a search over one program found. broken: a property of which there were enough."""

    states: int
    exhaustive: bool
    finding: Finding | None
    broken: str
    items: frozenset[Item]
    unreplayed: Unreplayed | None = None


class _Plain(NamedTuple):
    """The end states of a plainer program. shown: what they tell."""

    complete: bool
    shown: frozenset[Observable]
    states: tuple[Mapping[Observable, Value], ...]


class Examiner:
    """Searches programs on one host and judges them.

    bugs: those of the zoo that are on. laboratory: has the machines, none made under other bugs.
    heed: called before each search; what it raises, ends the examination. sampled: ask only a share
    of the programs where a property says so.
    """

    def __init__(
        self,
        host: str,
        properties: Sequence[Property],
        laboratory: Laboratory,
        observer: Observer,
        bugs: Sequence[str] = (),
        heed: Callable[[], None] = lambda: None,
        *,
        sampled: bool = False,
    ) -> None:
        self._host = host
        self._properties = properties
        self._laboratory = laboratory
        self._observer = observer
        self._bugs = bugs
        self._heed = heed
        self._sampled = sampled
        self._plainer: dict[tuple[Program, str], _Plain] = {}  # those used last behind

    def examine(self, program: Program, enough: Container[str] = ()) -> Examined:
        """Search a program; what is wrong with it is made as small as it can be.

        enough: properties whose breaches are only counted. Raises SearchRefusedError.
        """
        reached: list[frozenset[Item]] = []

        def look(stage: Stage) -> None:
            reached.append(self._observer.look(stage, self._host))

        self._heed()
        test = litmus(program, self._host, text=False)
        options = search_options(program, self._host)
        result = run(test, options, self._host, laboratory=self._laboratory, look=look)
        items = reached[0]
        done = Examined(result.states, result.complete, None, "", items)
        for row in self._asked(program):
            breach = self._breach(program, result, row)
            if breach is None:
                continue
            if row.name in enough:
                return replace(done, broken=row.name)
            try:
                return replace(done, finding=self._finding(program, row))
            except ReplayError as error:
                what = f"{breach.explanation}; {error}; the program is {program}"
                return replace(done, unreplayed=Unreplayed(row.name, self._host, what))
        return done

    def _asked(self, program: Program) -> Iterator[Property]:
        """The properties that a program is asked for: by its content, the same wherever it is."""
        number = _number(program) if self._sampled else 0
        return (row for row in self._properties if not number % row.share)

    def _run(self, program: Program, test: Litmus | None = None, host: str = "") -> Result:
        """Search a plainer or a smaller program. test: how it is written, if that is known."""
        self._heed()
        host = host or self._host
        test = test or litmus(program, host, text=False)
        return run(test, search_options(program, host), host, laboratory=self._laboratory)

    def _breach(self, program: Program, result: Result, row: Property) -> Violation | None:
        """The violation of a property in a result, without a schedule if an outcome shows it."""
        for violation in result.violations:
            if violation.rule in row.rules:
                return replace(violation, rule=row.name)
        if row.check is not None:
            for outcome in result.outcomes:
                breach = row.check(program, result.host, outcome.state)
                if breach is not None:
                    return Violation(row.name, breach[0], condition=breach[1])
        if row.judge is not None:
            wrong = row.judge(Trial(program, result, self._searched, self._laboratory))
            if wrong is not None:
                return wrong if wrong.rule in KINDS else replace(wrong, rule=row.name)
        if row.plainer is None or program.stopped():
            return None  # where it is stopped depends on which steps others can see
        plainer = row.plainer(program, self._host)
        if plainer is None or (not result.complete and plainer[0].agents == program.agents):
            return None  # a program as large would be cut off too
        return self._beyond(result, row, *plainer)

    def _searched(self, program: Program, host: str) -> Result:
        return self._run(program, host=host)

    def _beyond(
        self, result: Result, row: Property, plainer: Program, host: str
    ) -> Violation | None:
        """An outcome that the plainer program does not have, if its search is exhaustive."""
        allowed = self._plain(plainer, host)
        if not allowed.complete:
            return None
        shown = allowed.shown.intersection(result.test.named)
        known = {frozenset((o, state[o]) for o in shown) for state in allowed.states}
        for outcome in result.outcomes:
            state = {o: value for o, value in outcome.state.items() if o in shown}
            if frozenset(state.items()) not in known:
                words = " ".join(f"{o}={value};" for o, value in state.items())
                condition = And(tuple(Equal(o, value) for o, value in state.items()))
                return Violation(row.name, f"{words} is an end state", condition=condition)
        return None

    def _plain(self, program: Program, host: str) -> _Plain:
        """What a plainer program may end in; many programs have the same one."""
        key = (program, host)
        known = self._plainer.pop(key, None)
        if known is None:
            result = self._run(program, host=host)
            states = tuple(outcome.state for outcome in result.outcomes)
            known = _Plain(result.complete, frozenset(result.test.named), states)
            if len(self._plainer) >= MAX_PLAINER:
                del self._plainer[next(iter(self._plainer))]
        self._plainer[key] = known
        return known

    def _smallest(self, program: Program, row: Property) -> Program:
        """Leave out what can be left out; every candidate is searched anew."""
        for candidate in smaller(program):
            if any(candidate.threads):
                result = self._run(candidate)
                if self._breach(candidate, result, row) is not None:
                    return self._smallest(candidate, row)
        return program

    def _finding(self, program: Program, row: Property) -> Finding:
        """The breach of a program that breaks a property. Raises ReplayError if it happens once."""
        small = self._smallest(program, row)
        try:
            return self._told(small, row)
        except ReplayError:
            if small == program:
                raise
            return self._told(program, row)

    def _told(self, small: Program, row: Property) -> Finding:
        """The breach of a program as a finding. Raises ReplayError."""
        result = self._run(small)
        breach = self._breach(small, result, row)
        if breach is None:
            raise ReplayError("the same program searched again does not break the property")
        shown = row.shown_by(small) if row.shown_by is not None else None
        test = litmus(shown or small, self._host, row.name)
        rule = next((v.rule for v in result.violations if v.rule in row.rules), "condition")
        if breach.rule == MISSING and breach.condition is not None:
            test.requirements = [Requirement((self._host,), breach.condition)]
            test.text = litmus_text(test)
        elif rule == "condition" and breach.condition is not None:
            test.quantifier, test.condition = Quantifier.NOT_EXISTS, breach.condition
            test.text = litmus_text(test)
        schedule = breach.schedule
        if breach.rule not in KINDS:
            schedule = self._schedule(small, test, rule) or schedule
        found = replace(breach, explanation=f"{row.sentence}: {breach.explanation}")
        breach = replace(found, schedule=schedule)
        case = self._case(test, breach, found)
        deciding = signature(case, self._laboratory)
        return Finding(row.name, self._host, case, _names(small.threads), deciding)

    def _case(self, test: Litmus, breach: Violation, found: Violation) -> Case:
        """The breach as a case; by the schedule that found it, if the shorter one does not fit."""
        try:
            return case_of(test, self._host, OPTIONS, breach, self._bugs)
        except ReplayError:
            if not found.schedule or found.schedule == breach.schedule:
                raise
            return case_of(test, self._host, OPTIONS, found, self._bugs)

    def _schedule(self, program: Program, test: Litmus, rule: str) -> str:
        """A schedule that breaks the rule, with the fewest context switches if that is feasible."""
        few = fewest_switches(test, self._host, OPTIONS, rule, self._laboratory)
        if few is not None:
            return few.schedule
        witnesses = self._run(program, test).witnesses
        return witnesses[0].schedule if witnesses else ""


def search_options(program: Program, host: str) -> Options:
    """How far a program is searched: a matter of its content, the same wherever it is.

    Where a vcpu that is stopped takes its whole core out of the guest, most programs in which one
    is are searched without preemptions: that is a whole in a few thousand states, and finds more
    end states than as many of the first states of a search of everything. One that does not come
    back leaves the others fewer ways to go on, and they may go round for ever without it.
    """
    back = tuple(name for name in STOPPERS if name != "stop")
    stopped = host in WHOLE_CORES and any(a.startswith(back) for a in program.agents)
    return UNPREEMPTED if stopped and _number(program) % WHOLE_ANYWAY else OPTIONS


def _number(program: Program) -> int:
    """A number of the program's content."""
    return zlib.crc32(repr(program).encode())


def _names(threads: Iterable[Iterable[tuple[str, int]]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(name for name, _ in ops) for ops in threads)
