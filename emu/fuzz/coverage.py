"""What searches reached: lines of host code, exits, interrupts, and rows of the ISA table.

An item is named as people know it, so that it means the same in every process, on every machine
and in every file. Knows searches; knows nothing of corpora and of campaigns.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

import emu.hv
from emu.core.machine import Exit
from emu.isa.interrupts import INTERRUPTS
from emu.isa.table import INSNS, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emu.explore.litmus.stage import Stage
    from emu.hv.automaton import Automaton


class Item(NamedTuple):
    """One thing that was reached on a host. kind: of KINDS."""

    kind: str
    host: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.host} {self.what}"


# Kinds of items, and what one is. Paths tell programs apart; nobody reads them.
KINDS: Final = {
    "step": "a line of host code that yields an operation",
    "exit": "a reason for which a guest is left",
    "interrupt": "an interrupt that a guest takes itself",
    "instruction": "a row of the ISA table that a guest executes",
    "path": "a step, and the lines of the calls that lead to it",
}
TOLD: Final = tuple(kind for kind in KINDS if kind != "path")


class Observer:
    """Looks at searches that are over and says what each reached first, since begin()."""

    def __init__(self) -> None:
        self._names: WeakKeyDictionary[Automaton, dict[int, tuple[Item, ...]]]
        self._names = WeakKeyDictionary()
        self.begin()

    def begin(self) -> None:
        """Forget what was reached before."""
        self._nodes: dict[Automaton, int] = {}
        self._words: dict[str, set[int]] = defaultdict(set)
        self._seen: set[Item] = set()

    def look(self, stage: Stage, host: str) -> frozenset[Item]:
        """What the search of a stage on a host reached that none since begin() did."""
        found: set[Item] = {Item("exit", host, why.name) for why in stage.search.exits}
        interrupted = stage.search.interrupted
        found.update(Item("interrupt", host, v.name) for v in INTERRUPTS if interrupted(v.vector))
        found.update(self._instructions(stage, host))
        if stage.host is not None:
            found.update(self._steps(stage, host, stage.host.automaton))
        found -= self._seen
        self._seen |= found
        return frozenset(found)

    def _instructions(self, stage: Stage, host: str) -> Iterator[Item]:
        words, seen = stage.guest.words, self._words[host]
        for run in _runs(words):
            executed = stage.search.executed(run[0], len(run))
            fresh = {words[at] for at, on in zip(run, executed, strict=True) if on} - seen
            seen |= fresh
            for word in fresh:
                yield Item("instruction", host, _row(word))

    def _steps(self, stage: Stage, host: str, automaton: Automaton) -> Iterator[Item]:
        names = self._names.setdefault(automaton, {})
        nodes = int.from_bytes(stage.search.reached(len(automaton) + 1), "little")
        before = self._nodes.get(automaton, 0)
        self._nodes[automaton] = before | nodes
        fresh = nodes & ~before
        while fresh:
            node = (fresh & -fresh).bit_length() // 8
            fresh &= fresh - 1
            if node not in names:
                names[node] = tuple(_named(automaton, node, host))
            yield from names[node]


def _named(automaton: Automaton, node: int, host: str) -> Iterator[Item]:
    if node:
        chain = [f"{step.function}:{step.line}" for step in automaton.chain(node)]
        yield Item("step", host, chain[-1])
        yield Item("path", host, " ".join(chain))


def _runs(addresses: Iterable[int]) -> Iterator[Sequence[int]]:
    """Consecutive code words together."""
    run: list[int] = []
    for address in addresses:
        if run and address != run[-1] + 4:
            yield run
            run = []
        run.append(address)
    if run:
        yield run


@lru_cache(maxsize=4096)
def _row(word: int) -> str:
    """The name of the row of an instruction word."""
    variant = decode(word)
    return "unknown" if variant is None else variant.insn.name


# ---- what there is to be reached --------------------------------------------------------------


@cache
def steps() -> frozenset[str]:
    """Every line of the hypervisor's code that yields an operation, as items name it."""
    found: set[str] = set()
    for path in sorted(Path(emu.hv.__path__[0]).glob("*.py")):
        _steps_in(ast.parse(path.read_text(encoding="utf-8")), "", found)
    return frozenset(found)


def _steps_in(tree: ast.AST, prefix: str, found: set[str]) -> None:
    for child in ast.iter_child_nodes(tree):
        match child:
            case ast.ClassDef(name=name):
                _steps_in(child, f"{prefix}{name}.", found)
            case ast.FunctionDef(name=name):
                found.update(f"{prefix}{name}:{line}" for line in _yields(child))
                _steps_in(child, f"{prefix}{name}.<locals>.", found)
            case _:
                _steps_in(child, prefix, found)


def _yields(tree: ast.AST) -> Iterator[int]:
    """Lines of a function's own yields, those of functions inside it aside."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Yield):
            yield child.lineno
        yield from _yields(child)


@cache
def universe(kind: str) -> frozenset[str]:
    """All that an item of a kind can be on some host; paths are not counted."""
    match kind:
        case "step":
            return steps()
        case "exit":
            return frozenset(why.name for why in Exit if why is not Exit.BUDGET)
        case "interrupt":
            return frozenset(row.name for row in INTERRUPTS)
        case "instruction":
            return frozenset(insn.name for insn in INSNS)
        case _:
            return frozenset()


def reached(items: Iterable[Item]) -> dict[str, dict[str, set[str]]]:
    """Items by kind, then by what they are, with the hosts that reached it."""
    found: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in KINDS}
    for item in items:
        found.setdefault(item.kind, defaultdict(set))[item.what].add(item.host)
    return found


def coverage_text(items: Iterable[Item]) -> str:
    """What was reached and what never, for people."""
    found = reached(items)
    lines = []
    for kind in TOLD:
        all_, got = universe(kind), found[kind]
        lines.append(f"{kind}: {KINDS[kind]}; {len(got.keys() & all_)} of {len(all_)} reached")
        for what in sorted(got, key=_order):
            hosts = ",".join(sorted(host.removeprefix("power") for host in got[what]))
            lines.append(f"  {what}  {hosts}")
        lines.append(f"{kind}: never reached")
        lines += [f"  {what}" for what in sorted(all_ - got.keys(), key=_order)]
    return "\n".join(lines) + "\n"


def coverage_object(items: Iterable[Item]) -> dict[str, dict[str, object]]:
    """The same for machines."""
    found = reached(items)
    return {
        kind: {
            "reached": {what: sorted(found[kind][what]) for what in sorted(found[kind])},
            "never": sorted(universe(kind) - found[kind].keys()),
        }
        for kind in TOLD
    }


def _order(what: str) -> tuple[str, int]:
    function, _, line = what.rpartition(":")
    return (function, int(line)) if function else (what, 0)
