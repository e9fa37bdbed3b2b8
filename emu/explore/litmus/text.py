"""`Litmus` -> text: what `parse` reads back as the same test.

For tests that a program made or changed. Comments and layout of a text that a test came from are
not kept; what it means is.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from emu.explore.litmus.model import (
    Address,
    CellType,
    Doorbell,
    Handler,
    Initial,
    Litmus,
    Location,
    Observable,
    Quantifier,
    Truth,
)
from emu.isa.interrupts import INTERRUPTS

if TYPE_CHECKING:
    from collections.abc import Iterable

_VECTOR_NAMES = {
    row.vector: row.name
    for row in INTERRUPTS
    if row.name in ("external", "program", "decrementer", "doorbell")
}


def litmus_text(test: Litmus) -> str:
    """The test as a file, ending in a newline."""
    lines = [f"PPC {test.name}"]
    if test.title:
        lines.append('"' + test.title.replace('"', "'") + '"')
    lines += [f"{key}={value}" for key, value in test.header.items()]
    lines += ["{", *_initial(test), "}", *_columns(test)]
    lines += [_handler(handler) for handler in test.handlers]
    lines += _clauses(test)
    return "\n".join(lines) + "\n"


def _initial(test: Litmus) -> list[str]:
    """The initial state, a line for each thread's registers and one for memory."""
    lines = []
    for thread in sorted({register.thread for register in test.registers}):
        own = sorted((int(r.name[1:]), r) for r in test.registers if r.thread == thread)
        lines.append(" ".join(f"{_typed(test, r)}{r}={_value(test.registers[r])};" for _, r in own))
    cells = [
        f"{_typed(test, Location(name))}{name}={_value(value)};"
        for name, value in test.memory.items()
    ]
    return [*lines, " ".join(cells)] if cells else lines


def _typed(test: Litmus, place: Observable) -> str:
    kind = test.types.get(place)
    if kind is None:
        return ""
    return "int *" if kind is CellType.POINTER else f"{kind.spelling} "


def _value(value: Initial) -> str:
    match value:
        case Doorbell(target=target):
            return f"db({target})"
        case Address(name=name):
            return name
        case _:
            return str(value) if -10 < value < 10 else hex(value)


def _columns(test: Litmus) -> list[str]:
    """The program, its columns as wide as they must be."""
    columns = [
        [f"P{number}", *(cell.text for cell in cells)] for number, cells in enumerate(test.threads)
    ]
    widths = [max(len(text) for text in column) for column in columns]
    return [
        " " + " | ".join(f"{text:{n}}" for text, n in zip(row, widths, strict=True)) + " ;"
        for row in zip_longest(*columns, fillvalue="")
    ]


def _handler(handler: Handler) -> str:
    whose = "" if handler.thread is None else f"{handler.thread} "
    name = _VECTOR_NAMES.get(handler.vector, f"{handler.vector:#x}")
    body = "; ".join(cell.text for cell in handler.cells)
    return f"handler {whose}{name} {{ {body} }}"


def _clauses(test: Litmus) -> list[str]:
    lines = []
    if test.locations:
        lines.append(f"locations [{'; '.join(_location(test, o) for o in test.locations)}]")
    if test.filter is not None:
        lines.append(f"filter ({test.filter})")
    asks = bool(test.requirements or test.prohibitions)
    if not asks or test.condition != Truth(value=True) or test.quantifier is not Quantifier.EXISTS:
        lines.append(f"{test.quantifier} ({test.condition})")
    for expectation in test.expectations:
        deviation = f" deviation={expectation.deviation}" if expectation.deviation else ""
        lines.append(f"expect {expectation.host} {expectation.verdict}{deviation}")
    lines += [f"require {_hosts(r.hosts)}({r.condition})" for r in test.requirements]
    lines += [f"never {_hosts(p.hosts)}({p.condition})" for p in test.prohibitions]
    return lines


def _location(test: Litmus, place: Observable) -> str:
    """What is shown; a `*` says that it is a pointer, if the initial state does not."""
    declared = place in test.registers or getattr(place, "name", "") in test.memory
    pointer = test.types.get(place) is CellType.POINTER and not declared
    return f"{place}*" if pointer else str(place)


def _hosts(hosts: Iterable[str]) -> str:
    names = ",".join(hosts)
    return f"{names} " if names else ""
