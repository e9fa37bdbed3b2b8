"""Smaller litmus tests: every test with one part less, one operand plainer, or names in order.

Whatever comes out has less of something than what went in, so that going from one to the next
comes to an end. Knows nothing of what a test is to show: most of these do not show it any more.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from emu.explore.litmus.model import (
    Address,
    And,
    Condition,
    Doorbell,
    Equal,
    Ghost,
    Implies,
    Location,
    Nonzero,
    Not,
    Observable,
    Or,
    Register,
    Value,
    observables,
)
from emu.explore.litmus.text import litmus_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from emu.explore.litmus.model import Cell, Initial, Litmus

_Part = TypeVar("_Part")

NAMES: Final = ("x", "y", "z", "w", "a", "b", "c", "d")  # of locations, as herd's tests have them
KEPT: Final = frozenset({"Hosts", "Agent", "EE"})  # header lines that are not dropped as a whole
# A number that is an operand: no part of a name, and no displacement.
_NUMBER: Final = re.compile(r"(?<=[\s,])-?(?:0x[0-9a-fA-F]+|[0-9]+)(?![\w.(])")
_VCPU: Final = re.compile(r"^(prod\s+|hcall\s+H_(?:PROD|IPI)\s*,\s*)([0-9])\b")


def smaller(test: Litmus) -> Iterator[Litmus]:
    """Every test with one part less, the largest parts first, then with plainer operands."""
    yield from _threads(test)
    yield from _surroundings(test)
    for thread, cells in enumerate(test.threads):
        for index in reversed(range(len(cells))):
            yield _with(test, threads=_put(test.threads, thread, _less(cells, index)))
    for index, handler in enumerate(test.handlers):
        for place in reversed(range(len(handler.cells) - 1)):  # the last returns
            body = tuple(_less(handler.cells, place))
            yield _with(test, handlers=_put(test.handlers, index, handler._replace(cells=body)))
    yield from _conditions(test)
    for register in test.registers:
        left = {r: v for r, v in test.registers.items() if r != register}
        yield _with(test, registers=left)
    for name in test.memory:
        yield _with(test, memory={n: v for n, v in test.memory.items() if n != name})
    yield from _operands(test)
    yield from _renamed(test)


def _less(parts: Sequence[_Part], index: int) -> list[_Part]:
    return [*parts[:index], *parts[index + 1 :]]


def _put(parts: Sequence[_Part], index: int, part: _Part) -> list[_Part]:
    return [*parts[:index], part, *parts[index + 1 :]]


def _with(test: Litmus, **parts: object) -> Litmus:
    other = copy(test)
    for name, value in parts.items():
        setattr(other, name, value)
    other.text = litmus_text(other)
    return other


# ---- threads, and what is around them ------------------------------------------------------------


def _threads(test: Litmus) -> Iterator[Litmus]:
    for thread in reversed(range(len(test.threads))):
        if test.threads[thread]:
            yield _with(test, threads=_put(test.threads, thread, []))
        elif len(test.threads) > 1:
            without = _without(test, thread)
            if without is not None:
                yield without


def _without(test: Litmus, gone: int) -> Litmus | None:
    """The test without a thread, those behind it with a number less; None: it is spoken of."""

    def number(thread: int) -> int:
        return thread - (thread > gone)

    def moved(observable: Observable) -> Observable:
        if isinstance(observable, Register | Ghost):
            return observable._replace(thread=number(observable.thread))
        return observable

    def initial(value: Initial) -> Initial:
        return Doorbell(number(value.target)) if isinstance(value, Doorbell) else value

    def cell(one: Cell) -> Cell:
        text = _VCPU.sub(lambda m: f"{m[1]}{number(int(m[2]))}", one.text)
        return one._replace(text=text)

    agents = [part.strip() for part in test.header.get("Agent", "").split(",")]
    named: list[object] = [
        getattr(o, "thread", None) for c in _clauses(test) for o in observables(c)
    ]
    named += [getattr(o, "thread", None) for o in test.locations]
    named += [value.target for value in test.registers.values() if isinstance(value, Doorbell)]
    named += [handler.thread for handler in test.handlers]
    if gone in named or any(agent.endswith(f":{gone}") for agent in agents):
        return None
    other = _on_places(test, moved, lambda value: value)
    header = dict(test.header)
    if "Agent" in header:
        header["Agent"] = ",".join(
            re.sub(r":([0-9])$", lambda m: f":{number(int(m[1]))}", agent) for agent in agents
        )
    if "," in header.get("EE", ""):
        header["EE"] = ",".join(_less(header["EE"].split(","), gone))
    return _with(
        other,
        header=header,
        threads=[list(map(cell, cells)) for cells in _less(test.threads, gone)],
        registers={
            r._replace(thread=number(r.thread)): initial(v)
            for r, v in test.registers.items()
            if r.thread != gone
        },
        handlers=[
            h if h.thread is None else h._replace(thread=number(h.thread)) for h in test.handlers
        ],
    )


def _surroundings(test: Litmus) -> Iterator[Litmus]:
    """Without a handler, an agent, a line of the header."""
    for index in range(len(test.handlers)):
        yield _with(test, handlers=_less(test.handlers, index))
    agents = [part for part in test.header.get("Agent", "").split(",") if part]
    for index in range(len(agents)):
        yield _header(test, "Agent", ",".join(_less(agents, index)))
    for key in test.header:
        if key not in KEPT:
            yield _header(test, key, "")
    enabled = [part.strip() for part in test.header.get("EE", "").split(",")]
    if "EE" in test.header and "1" not in enabled:
        yield _header(test, "EE", "")
    for thread, word in enumerate(enabled):
        if word == "1":
            yield _header(test, "EE", ",".join(_put(enabled, thread, "0")))


def _header(test: Litmus, key: str, text: str) -> Litmus:
    """The test with another line in its header, or without it if the text is empty."""
    header = {k: text if k == key else v for k, v in test.header.items()}
    return _with(test, header={k: v for k, v in header.items() if v})


# ---- conditions --------------------------------------------------------------------------------


def _clauses(test: Litmus) -> Iterator[Condition]:
    yield test.condition
    if test.filter is not None:
        yield test.filter
    yield from (requirement.condition for requirement in test.requirements)
    yield from (prohibition.condition for prohibition in test.prohibitions)


def _conditions(test: Litmus) -> Iterator[Litmus]:
    for less in _parts_less(test.condition):
        yield _with(test, condition=less)
    for index, requirement in enumerate(test.requirements):
        for less in _parts_less(requirement.condition):
            clause = replace(requirement, condition=less)
            yield _with(test, requirements=_put(test.requirements, index, clause))
    for index, prohibition in enumerate(test.prohibitions):
        for less in _parts_less(prohibition.condition):
            rule = replace(prohibition, condition=less)
            yield _with(test, prohibitions=_put(test.prohibitions, index, rule))


def _parts_less(condition: Condition) -> Iterator[Condition]:
    """The condition without one of its parts, wherever they are."""
    match condition:
        case And(parts=parts) | Or(parts=parts):
            for index, part in enumerate(parts):
                left = tuple(_less(parts, index))
                yield left[0] if len(left) == 1 else type(condition)(left)
                for less in _parts_less(part):
                    yield type(condition)(tuple(_put(parts, index, less)))
        case Not(of=of):
            yield from map(Not, _parts_less(of))
        case Implies(left=left_part, right=right_part):
            yield right_part
            yield from (Implies(less, right_part) for less in _parts_less(left_part))
            yield from (Implies(left_part, less) for less in _parts_less(right_part))
        case _:
            return


# ---- operands and names --------------------------------------------------------------------------


def _operands(test: Litmus) -> Iterator[Litmus]:
    """With a smaller number, or an earlier location, in one place."""
    locations = sorted(_locations(test))
    for register, value in test.registers.items():
        for plainer in _plainer(value, locations):
            yield _with(test, registers={**test.registers, register: plainer})
    for name, value in test.memory.items():
        for plainer in _plainer(value, locations):
            yield _with(test, memory={**test.memory, name: plainer})
    for thread, cells in enumerate(test.threads):
        for index, cell in enumerate(cells):
            for match in _NUMBER.finditer(cell.text):
                for number in _smaller_numbers(int(match[0], 0)):
                    text = f"{cell.text[: match.start()]}{number}{cell.text[match.end() :]}"
                    column = _put(cells, index, cell._replace(text=text))
                    yield _with(test, threads=_put(test.threads, thread, column))


def _plainer(value: Initial, locations: list[str]) -> Iterator[Initial]:
    match value:
        case Address(name=name):
            yield from map(Address, locations[: locations.index(name)])
        case int():
            yield from _smaller_numbers(value)
        case Doorbell():
            return


def _smaller_numbers(number: int) -> Iterator[int]:
    yield from (small for small in (0, 1) if small < abs(number))


def _renamed(test: Litmus) -> Iterator[Litmus]:
    """With the names of locations in the order of herd's tests."""
    used = list(_locations(test))
    if len(used) > len(NAMES) or used == list(NAMES[: len(used)]):
        return
    names = dict(zip(used, NAMES, strict=False))

    def place(observable: Observable) -> Observable:
        return Location(names[observable.name]) if isinstance(observable, Location) else observable

    def value(number: Value) -> Value:
        return Address(names[number.name]) if isinstance(number, Address) else number

    def initial(number: Initial) -> Initial:
        return number if isinstance(number, Doorbell) else value(number)

    yield _with(
        _on_places(test, place, value),
        registers={register: initial(v) for register, v in test.registers.items()},
        memory={names[name]: value(v) for name, v in test.memory.items()},
    )


def _locations(test: Litmus) -> dict[str, None]:
    """The names of locations, in the order in which a reader meets them."""
    names: dict[str, None] = {}
    values: Iterable[Initial] = (*test.registers.values(), *test.memory.values())
    names.update((value.name, None) for value in values if isinstance(value, Address))
    names.update(dict.fromkeys(test.memory))
    places = [*test.locations, *(o for clause in _clauses(test) for o in observables(clause))]
    names.update((o.name, None) for o in places if isinstance(o, Location))
    names.update((v.name, None) for c in _clauses(test) for v in _addresses(c))
    return names


def _addresses(condition: Condition) -> Iterator[Address]:
    """The addresses that a condition compares with."""
    found: list[Address] = []

    def value(number: Value) -> Value:
        if isinstance(number, Address):
            found.append(number)
        return number

    _mapped(condition, lambda observable: observable, value)
    yield from found


def _on_places(
    test: Litmus, place: Callable[[Observable], Observable], value: Callable[[Value], Value]
) -> Litmus:
    """The test with every observable, and every value in a condition, replaced."""
    other = copy(test)
    other.types = {place(o): kind for o, kind in test.types.items()}
    other.locations = [place(o) for o in test.locations]
    other.condition = _mapped(test.condition, place, value)
    if test.filter is not None:
        other.filter = _mapped(test.filter, place, value)
    other.requirements = [
        replace(r, condition=_mapped(r.condition, place, value)) for r in test.requirements
    ]
    other.prohibitions = [
        replace(p, condition=_mapped(p.condition, place, value)) for p in test.prohibitions
    ]
    return other


def _mapped(
    condition: Condition,
    place: Callable[[Observable], Observable],
    value: Callable[[Value], Value],
) -> Condition:
    match condition:
        case Equal(left=left, right=right):
            return Equal(place(left), value(right))
        case Nonzero(left=ghost):
            moved = place(ghost)
            assert isinstance(moved, Ghost)
            return Nonzero(moved)
        case Not(of=of):
            return Not(_mapped(of, place, value))
        case And(parts=parts) | Or(parts=parts):
            return type(condition)(tuple(_mapped(part, place, value) for part in parts))
        case Implies(left=left_part, right=right_part):
            return Implies(_mapped(left_part, place, value), _mapped(right_part, place, value))
        case _:
            return condition
