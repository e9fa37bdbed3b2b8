"""A litmus test, from text to outcomes: builds the stage, runs the search, reads the result."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from emu.core._emu import lib
from emu.explore.deepening import deepened, extent_of
from emu.explore.litmus.condition import holds
from emu.explore.litmus.guest import build
from emu.explore.litmus.header import header_problem
from emu.explore.litmus.judge_code import compile_condition
from emu.explore.litmus.model import Ghost, GhostKind, Litmus, Nonzero, Truth, observables
from emu.explore.litmus.parse import parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.stage import prepare
from emu.explore.litmus.verdict import Outcome, Result, Violation, unwanted
from emu.explore.livelock import RULE as LIVELOCK
from emu.explore.livelock import lasso, sentence
from emu.explore.schedule import short_text
from emu.explore.search import UNLIMITED, Algorithm, time_passed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emu.explore.litmus.laboratory import Laboratory
    from emu.explore.litmus.model import Condition
    from emu.explore.litmus.stage import Stage
    from emu.explore.search import Ended, Facts, Options, Wrong

DEFAULT_HOST = "power9"
TRAP = "trap"


def run(
    test: Litmus,
    options: Options,
    host: str = DEFAULT_HOST,
    progress: Callable[[Facts], bool] | None = None,
    laboratory: Laboratory | None = None,
    *,
    texts: bool = False,
    look: Callable[[Stage], None] | None = None,
) -> Result:
    """Search a test on one host; with `options.first`, until anything is wrong.

    texts: give each outcome's schedule as text too.
    laboratory: has machines for it, made for an earlier test perhaps. look: told of the stage when
    the search is over.
    Raises LitmusError if it cannot be translated, SearchRefusedError if it cannot be searched.
    """
    started = time.perf_counter()
    guest = build(test)
    locks = options.algorithm is not Algorithm.DPOR
    exact = _with(search_options(test, options), dead=True, locks=locks)
    stage = prepare(guest, _bounded(test, exact), host, laboratory)
    rules = _rules(test, host)
    for rule in rules:
        stage.search.never(compile_condition(guest, _condition(rule), stage.watched))
    if options.first and (bad := unwanted(test, host)):
        sentence, condition = bad
        rules.append(Violation("condition", sentence, condition=condition))
        program = compile_condition(guest, condition, stage.watched)
        at_end = [(lib.EMU_JUDGE_EQUAL, stage.at_end, 1), (lib.EMU_JUDGE_AND, 0, 0)]
        stage.search.never([*program, *at_end])
    ended = stage.search.run(progress)
    if "Timers" in test.header and ended.cut == time_passed(stage.search.options.timers):
        ended.cut = ""  # that is what the test is about
    if look is not None:
        look(stage)
    violations = [_violation(stage, rules, wrong) for wrong in ended.violations]
    if any(found.values[-1] for found in ended.outcomes):
        bound = f"runs of at most {options.max_insns} instructions"
        ended.cut = f"{ended.cut}, {bound}" if ended.cut else bound
    outcomes, stuck = _outcomes(test, stage, ended)
    if texts:
        outcomes = [replace(o, text=stage.schedule_text(o.schedule)) for o in outcomes]
    return Result(
        test=test,
        host=host,
        outcomes=outcomes,
        violations=violations + stuck,
        witnesses=_witnesses(test, host, stage, outcomes),
        states=ended.facts.states,
        transitions=ended.facts.steps,
        executions=ended.facts.runs or ended.facts.ends,
        cut=ended.cut,
        unjudged=ended.unjudged,
        facts=ended.facts,
        seconds=time.perf_counter() - started,
    )


def run_within(
    test: Litmus,
    options: Options,
    host: str = DEFAULT_HOST,
    progress: Callable[[Facts], bool] | None = None,
    laboratory: Laboratory | None = None,
    go_on: Callable[[], bool] | None = None,
    *,
    texts: bool = False,
) -> Result:
    """Do what run() does, and where states or time do not suffice what deepened() does then.

    A bound that the test sets itself counts as one of the options. Raises what run() raises.
    """
    text, path = test.text, test.path

    def once(bounded: Options) -> Result:
        return run(parse(text, path), bounded, host, progress, laboratory, texts=texts)

    whole, *others = deepened(once, _bounded(test, options), lambda result: result.cut, go_on)
    outcomes = {tuple(outcome.state.values()): outcome for outcome in whole.outcomes}
    for other in others:  # what it saw before it was cut off
        for outcome in other.outcomes:
            outcomes.setdefault(tuple(outcome.state.values()), outcome)
    every = (whole, *others)
    return replace(
        whole,
        cut=extent_of([result.cut for result in every]),
        outcomes=list(outcomes.values()),
        violations=_each_once(v for result in every for v in result.violations),
        witnesses=_each_once(v for result in every for v in result.witnesses),
        seconds=sum(result.seconds for result in every),
    )


def _each_once(violations: Iterable[Violation]) -> list[Violation]:
    """One violation of each kind, the first."""
    found: dict[tuple[str, str], Violation] = {}
    for violation in violations:
        found.setdefault((violation.rule, violation.explanation), violation)
    return list(found.values())


def _bounded(test: Litmus, options: Options) -> Options:
    """The options with the bounds of the test's header, `Limit=states:2e6,preempt:3`.

    Bounds of the options themselves count more. Raises LitmusError.
    """
    for part in filter(None, test.header.get("Limit", "").split(",")):
        name, _, text = (word.strip() for word in part.partition(":"))
        try:
            number = int(float(text))
        except (ValueError, OverflowError):
            number = -1
        if number < 0 or name not in ("states", "preempt"):
            message = f"a limit is states:NUMBER or preempt:NUMBER, got {part.strip()[:40]}"
            problem = header_problem(test.text, "Limit", message)
            raise LitmusError(test.path, test.text, [problem])
        if name == "states" and options.max_states == UNLIMITED:
            options = replace(options, max_states=number)
        elif name == "preempt" and options.preemptions is None:
            options = replace(options, preemptions=number)
    return options


def search_options(test: Litmus, options: Options) -> Options:
    """The options with what a step is in every search over this test."""
    return _with(
        options,
        delayed=True,
        landing=True,
        forget=_srr_is_only_for_handlers(test),
        livelocks=test.header.get("Livelock", "").lower() != "allowed",
        timers=max(options.timers, _timers(test)),
        ample=options.ample and not test.prohibitions,
    )


@lru_cache(maxsize=256)
def _with(options: Options, **changes: bool | int) -> Options:
    """The options with changes, mostly the same ones again."""
    return replace(options, **changes)  # type: ignore[arg-type]  # of whichever fields they are


def _timers(test: Litmus) -> int:
    """`Timers=N`: how often time may pass in a run. Raises LitmusError."""
    text = test.header.get("Timers", "0").strip()
    if not re.fullmatch(r"[0-9]{1,4}", text):
        message = f"Timers must be a number from 0 to 9999, got {text[:40]}"
        problem = header_problem(test.text, "Timers", message)
        raise LitmusError(test.path, test.text, [problem])
    return int(text)


def _violation(stage: Stage, rules: Sequence[Violation], wrong: Wrong) -> Violation:
    if wrong.kind != lib.EMU_VIOLATION_LIVELOCK:
        return replace(rules[wrong.rule], schedule=stage.schedule_text(wrong.schedule))
    found = lasso(stage.search, stage.host, wrong)
    words = sentence(found.runners, "thread ", stage.host)
    return Violation(LIVELOCK, words, short_text(found.schedule), at_end=False, loop=found.loop)


def _condition(rule: Violation) -> Condition:
    return rule.condition or Truth(value=False)


def _rules(test: Litmus, host: str) -> list[Violation]:
    """What no state may meet.

    That no wake-up and no doorbell is lost holds of every test that does not ask about it.
    """
    rules = [
        Violation(
            "never",
            f"{p.condition} is never true, and was reached",
            condition=p.condition,
            at_end=False,
        )
        for p in test.prohibitions
        if not p.hosts or host in p.hosts
    ]
    asked = {o for o in test.named if isinstance(o, Ghost)}
    for thread in range(len(test.threads)):
        lost = Ghost(GhostKind.LOST, thread)
        if lost not in asked and not any(lost in observables(_condition(r)) for r in rules):
            explanation = f"thread {thread} waits for ever for what is pending for it"
            rules.append(Violation("lost", explanation, condition=Nonzero(lost)))
    return rules


def _witnesses(test: Litmus, host: str, stage: Stage, outcomes: list[Outcome]) -> list[Violation]:
    """An outcome that the test's final condition does not allow on this host, if there is one."""
    bad = unwanted(test, host)
    if bad is None:
        return []
    sentence, condition = bad
    for outcome in outcomes:
        if holds(condition, outcome.state):
            schedule = stage.schedule_text(outcome.schedule)
            return [Violation("condition", sentence, schedule, condition)]
    return []


def _outcomes(test: Litmus, stage: Stage, ended: Ended) -> tuple[list[Outcome], list[Violation]]:
    """The outcomes as the test shows them, and ends that are none.

    Those are states in which host code is stuck, and interrupts that nobody handles.
    """
    shown = test.named
    outcomes: dict[tuple[object, ...], Outcome] = {}
    stuck: dict[str, Violation] = {}
    count = len(stage.watched)
    for found in ended.outcomes:
        if found.values[-1]:  # no end, its instructions were used up
            continue
        words = stage.trapped(found.values)
        if words:
            if words not in stuck:
                stuck[words] = Violation(TRAP, words, stage.schedule_text(found.schedule))
            continue
        values = zip(stage.watched, found.values[:count], strict=True)
        state = {o: stage.guest.value(o, raw) for o, raw in values if o in shown}
        key = tuple(state.values())
        known = outcomes.get(key)
        outcomes[key] = Outcome(
            state,
            found.times + (known.count if known else 0),
            known.schedule if known else found.schedule,
        )
        for rule, words in (
            ("deadlock", stage.stuck(found.values[count:])),
            ("lost", stage.overslept(found.values)),
        ):
            if words and words not in stuck:
                stuck[words] = Violation(rule, words, stage.schedule_text(found.schedule))
    return list(outcomes.values()), list(stuck.values())


def _srr_is_only_for_handlers(test: Litmus) -> bool:
    """Whether nobody can tell what SRR0 and SRR1 hold once a handler has returned."""
    columns = [cell.text for cells in test.threads for cell in cells]
    handlers = [cell.text for handler in test.handlers for cell in handler.cells]
    return not any("srr" in text for text in columns + handlers) and not any(
        "rfid" in text or "spr" in text for text in columns
    )
