"""Instruction forms: into which boxes the 32 bits of a word are divided.

As in Power ISA v3.0B Book I 1.6, a form may have several layouts. A row of the instruction table
names its form and fills the boxes; `layout()` finds the only layout that the boxes fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

# Widths of the boxes, from bit 0.
FORMS: dict[str, tuple[tuple[int, ...], ...]] = {
    "I": ((6, 24, 1, 1),),
    "B": ((6, 5, 5, 14, 1, 1),),
    "SC": ((6, 5, 5, 4, 7, 3, 1, 1),),
    "D": ((6, 5, 5, 16), (6, 3, 1, 1, 5, 16)),
    "DS": ((6, 5, 5, 14, 2),),
    "DQ": ((6, 5, 5, 12, 4),),
    "DX": ((6, 5, 5, 10, 5, 1),),
    "X": (
        (6, 5, 5, 5, 10, 1),
        (6, 3, 2, 5, 5, 10, 1),
        (6, 5, 3, 2, 5, 10, 1),
        (6, 5, 4, 1, 5, 10, 1),
        (6, 1, 4, 5, 5, 10, 1),
        (6, 2, 3, 5, 5, 10, 1),
        (6, 3, 1, 1, 5, 5, 10, 1),
        (6, 5, 1, 2, 1, 1, 5, 10, 1),
    ),
    "XL": ((6, 5, 5, 5, 10, 1), (6, 5, 5, 3, 2, 10, 1), (6, 3, 2, 3, 2, 5, 10, 1)),
    "XFX": ((6, 5, 10, 10, 1), (6, 5, 1, 9, 10, 1), (6, 5, 1, 8, 1, 10, 1)),
    "XO": ((6, 5, 5, 5, 1, 9, 1),),
    "XS": ((6, 5, 5, 5, 9, 1, 1),),
    "Z23": ((6, 5, 5, 5, 2, 8, 1),),
    "A": ((6, 5, 5, 5, 5, 5, 1),),
    "M": ((6, 5, 5, 5, 5, 5, 1),),
    "MD": ((6, 5, 5, 5, 6, 3, 1, 1),),
    "MDS": ((6, 5, 5, 5, 6, 4, 1),),
    "VA": ((6, 5, 5, 5, 5, 6),),
}

# Boxes that tell the variants of one instruction apart (add, add., addo, addo.; b, bl, ba, bla).
VARIANT_BOXES = {"OE": (21, 21), "Rc": (31, 31), "LK": (31, 31), "AA": (30, 30)}

# A box of the bit picture: what is printed in it, its first and its last bit.
Box = tuple[str, int, int]


class TableError(ValueError):
    """A row of the table that contradicts its form, its operands or another row."""


def layout(form: str, labels: Sequence[str], fields: AbstractSet[Box]) -> tuple[Box, ...]:
    """Place `labels` (numbers, `/` for reserved bits, names of `fields`) in the boxes of `form`.

    Raises TableError unless exactly the boxes of `fields` are in the picture.
    """
    if form not in FORMS:
        raise TableError(f"there is no form {form}; there are {', '.join(FORMS)}")
    fitting = [widths for widths in FORMS[form] if len(widths) == len(labels)]
    if not fitting:
        counts = " or ".join(str(n) for n in sorted({len(widths) for widths in FORMS[form]}))
        raise TableError(f"{form}-form has {counts} boxes, row has {len(labels)}")
    complaints = []
    for widths in fitting:
        boxes = tuple(_boxes(labels, widths))
        complaint = _complaint(boxes, fields)
        if not complaint:
            return boxes
        complaints.append(complaint)
    raise TableError(f"{form}-form: {', or '.join(dict.fromkeys(complaints))}")


def _boxes(labels: Sequence[str], widths: Sequence[int]) -> Iterator[Box]:
    first = 0
    for label, width in zip(labels, widths, strict=True):
        yield label, first, first + width - 1
        first += width


def _complaint(boxes: Sequence[Box], fields: AbstractSet[Box]) -> str:
    """What is wrong with `boxes`, or nothing."""
    for box in boxes:
        label, first, last = box
        if label.isdigit() and int(label) >= 1 << (last - first + 1):
            return f"{label} does not fit in bits {first}:{last}"
        if not label.isdigit() and label != "/" and box not in fields:
            places = [f"{box[1]}:{box[2]}" for box in sorted(fields) if box[0] == label]
            where = f"is at {' and '.join(places)}" if places else "is no operand"
            return f"{label} at {first}:{last} {where}"
    if missing := sorted(fields - set(boxes)):
        return f"{missing[0][0]} is in no box"
    return ""
