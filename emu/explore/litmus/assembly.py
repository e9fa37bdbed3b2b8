"""A litmus test as one source file for GNU as: a bare guest in which each vcpu runs its column.

The instructions of the columns and handlers are the test's own; in front of each column, code
gives registers their initial values. `emu run` and a real assembler take the file as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emu.explore.litmus.guest import CELLS, MACROS, USES_MACRO, gnu_syntax
from emu.explore.litmus.model import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emu.explore.litmus.guest import Guest
    from emu.explore.litmus.model import Cell

_LABEL = re.compile(r"([A-Za-z0-9_.$]+):")
_LOW, _HIGH = -0x8000, 0x7FFF


def assembly(guest: Guest) -> str:
    """The source text."""
    test = guest.test
    count = len(test.threads)
    lines = [f"# {test.name}: a column of the litmus test for each of {count} vcpus."]
    if guest.little:
        lines.append("# endian: little")
    cells = [
        cell for column in (*test.threads, *(h.cells for h in test.handlers)) for cell in column
    ]
    if any(USES_MACRO.match(cell.text) for cell in cells):
        lines += MACROS.replace("; ", "\n        ").replace(";.set", "\n.set").strip().split("\n")
    lines += _handlers(guest)
    lines += ["", "        .text", "_start:"]
    for thread in range(1, count):
        lines += [f"        cmpdi   r3,{thread}", f"        beq     P{thread}"]
    for thread, column in enumerate(test.threads):
        lines += ["", f"P{thread}:", *_registers(guest, thread)]
        lines += _code(column, f"P{thread}")
        lines += [f"P{thread}_end:", f"        b       P{thread}_end"]
    lines += _data(guest)
    return "\n".join(lines) + "\n"


def _handlers(guest: Guest) -> Iterator[str]:
    """Handlers at their vectors; where they differ by thread, as PIR says."""
    test = guest.test
    for vector in dict.fromkeys(handler.vector for handler in test.handlers):
        of = [handler for handler in test.handlers if handler.vector == vector]
        yield f'        .section .vector_{vector:x}, "ax"'
        yield f"        .org    {vector:#x}"
        if len(of) == 1 and of[0].thread is None:
            yield from _code(of[0].cells, f"H{vector:x}")
            continue
        yield "        mtsprg  1,r31"
        yield "        mfsprg  r31,0"
        yield "        mtctr   r31"
        yield "        mfsprg  r31,1"
        yield "        bctr"
        for thread in range(len(test.threads)):
            name = f"H{vector:x}_{thread}"
            yield f"{name}:"
            body = next((handler.cells for handler in of if handler.thread == thread), ())
            yield from _code(body, name) if body else ("        rfid",)


def _code(cells: Iterable[Cell], owner: str) -> list[str]:
    """Instructions; labels are the column's own, so they carry its name."""
    texts = [gnu_syntax(cell.text) for cell in cells]
    labels = {match[1] for text in texts if (match := _LABEL.fullmatch(text))}
    named = re.compile(r"\b(" + "|".join(map(re.escape, sorted(labels))) + r")\b")
    lines = []
    for text in texts:
        renamed = named.sub(rf"{owner}_\1", text) if labels else text
        lines.append(renamed if _LABEL.fullmatch(text) else f"        {renamed}")
    return lines


def _registers(guest: Guest, thread: int) -> Iterator[str]:
    """Give every register its initial value; r31 last, it is needed on the way."""
    if any("lr" in cell.text for cell in guest.test.threads[thread]):
        yield from _constant(31, f"P{thread}_end", 0)
        yield "        mtlr    r31"
    if guest.sprg0:
        vector = guest.test.handlers[0].vector
        yield from _constant(31, f"H{vector:x}_{thread}", 0)
        yield "        mtsprg  0,r31"
    names = {address: name for name, address in guest.addresses.items()}
    for number, value in enumerate(guest.gpr[thread][:31]):
        if value or number in (1, 3, 4):  # a bare guest begins with these set
            yield from _constant(number, names.get(value, ""), value)
    if guest.ee[thread]:
        yield "        li      r31,-0x8000"
        yield "        mtmsrd  r31,1"
    yield from _constant(31, names.get(guest.gpr[thread][31], ""), guest.gpr[thread][31])


def _constant(register: int, symbol: str, value: int) -> Iterator[str]:
    """Load a symbol's address, if there is one, or a number."""
    name = f"r{register}"
    signed = value - (1 << 64) if value >> 63 else value
    if symbol:
        yield f"        lis     {name},{symbol}@h"
        yield f"        ori     {name},{name},{symbol}@l"
    elif _LOW <= signed <= _HIGH:
        yield f"        li      {name},{signed}"
    else:
        yield f"        lis     {name},{_half(value, 48)}"
        yield f"        ori     {name},{name},{value >> 32 & 0xFFFF:#x}"
        yield f"        sldi    {name},{name},32"
        yield f"        oris    {name},{name},{value >> 16 & 0xFFFF:#x}"
        yield f"        ori     {name},{name},{value & 0xFFFF:#x}"


def _half(value: int, shift: int) -> int:
    """Sixteen bits as lis takes them, signed."""
    half = value >> shift & 0xFFFF
    return half - (1 << 16) if half >> 15 else half


def _data(guest: Guest) -> Iterator[str]:
    """The locations, each in a reservation granule of its own."""
    if not guest.addresses:
        return
    yield from ("", '        .section .cells, "aw"', f"        .org    {CELLS:#x}")
    for name, address in sorted(guest.addresses.items(), key=lambda item: item[1]):
        initial = guest.test.memory.get(name, 0)
        data = guest.memory.get(address, bytes(8))
        number = int.from_bytes(data, guest.order)
        text = initial.name if isinstance(initial, Address) else f"{number:#x}"
        directive = ".quad" if len(data) == 8 else ".long"
        yield "        .balign 128"
        yield f"{name}:   {directive}   {text}"
