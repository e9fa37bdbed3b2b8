"""Instructions: written operands to a word, by the table's syntaxes.

What a name may mean depends on the slot it stands in: `r3` is a register where a register is
wanted and a symbol everywhere else, so a label may have any name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from emu.isa.operands import Kind, OperandError
from emu.isa.sprs import SPRS
from emu.isa.table import MNEMONICS, candidates

from .diagnostics import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emu.isa.operands import Operand as Slot
    from emu.isa.syntax import Syntax

    from .parse import Operand

GPRS: Mapping[str, int] = {f"r{n}": n for n in range(32)} | {"sp": 1, "rtoc": 2}
CRFS: Mapping[str, int] = {f"cr{n}": n for n in range(8)}
CRBITS: Mapping[str, int] = {**CRFS, "lt": 0, "gt": 1, "eq": 2, "so": 3, "un": 3}
REGISTERS: Mapping[str, int] = {**CRBITS, **GPRS}

# Slots whose value is an address, written as an expression over labels.
BRANCHES = (Kind.BRANCH_RELATIVE, Kind.BRANCH_ABSOLUTE)


def _spr_numbers(*, write: bool) -> dict[str, int]:
    """SPR names to numbers; where read and write differ (CTRL), the number for this access."""
    numbers: dict[str, int] = {}
    for both in (False, True):  # a number that serves both is the last word
        for row in SPRS:
            wanted = row.write if write else row.read
            if (row.read and row.write) if both else wanted:
                numbers[row.name.lower()] = row.number
    return numbers


SPRS_READ, SPRS_WRITTEN = _spr_numbers(write=False), _spr_numbers(write=True)
# Register names by slot; a name that is none of these is a symbol.
_NAMES: Mapping[Kind, Mapping[str, int]] = {Kind.GPR: GPRS, Kind.CRF: CRBITS, Kind.CRBIT: CRBITS}


class EncodeError(Exception):
    """An operand list or value that the mnemonic does not take.

    index: of the culprit among the operands, a base register counting by itself; None: all.
    """

    def __init__(self, message: str, index: int | None, label: str = "", help_: str = "") -> None:
        super().__init__(message)
        self.message, self.index, self.label, self.help = message, index, label, help_


class Slots(NamedTuple):
    """What a mnemonic takes in one operand list: the syntaxes, and the slots of the first."""

    syntaxes: tuple[Syntax, ...]
    slots: tuple[Slot, ...]
    names: tuple[Mapping[str, int] | None, ...]


@lru_cache(maxsize=8192)
def slots_for(mnemonic: str, pattern: str) -> Slots:
    """The slots that operands of this pattern fill.

    pattern: one character for each operand, `d` one written with a base register in parentheses.
    Raises EncodeError.
    """
    possible = candidates(mnemonic)
    if not possible:
        raise EncodeError(
            "no such instruction", None, f"`{mnemonic[:40]}` is unknown",
            suggestion(mnemonic, _names_like(mnemonic)),
        )  # fmt: skip
    fitting = tuple(syntax for syntax in possible if _pattern(syntax.operands) == pattern)
    if not fitting:
        raise _wrong_operands(mnemonic, possible, pattern)
    slots = fitting[0].operands
    sprs = SPRS_WRITTEN if mnemonic.startswith("mt") else SPRS_READ
    return Slots(
        fitting,
        slots,
        tuple(sprs if slot.kind is Kind.SPR else _NAMES.get(slot.kind) for slot in slots),
    )


def _names_like(mnemonic: str) -> Sequence[str]:
    """Mnemonics in an order that does not depend on hashing, nearest lengths only."""
    return sorted(name for name in MNEMONICS if abs(len(name) - len(mnemonic)) <= 2)


def pattern_of(operands: Sequence[Operand]) -> str:
    """The pattern of written operands."""
    return "".join("v" if operand.base is None else "d" for operand in operands)


def _pattern(slots: Sequence[Slot]) -> str:
    pattern = ""
    previous = None
    for slot in slots:
        if slot.kind is Kind.DISPLACEMENT:
            pattern += "d"
        elif previous is not Kind.DISPLACEMENT:
            pattern += "v"
        previous = slot.kind
    return pattern


def written_form(syntax: Syntax) -> str:
    """The operand list as the manual writes it: `RT,D(RA)`."""
    text = ""
    for index, slot in enumerate(syntax.operands):
        after_displacement = index and syntax.operands[index - 1].kind is Kind.DISPLACEMENT
        if after_displacement:
            text += f"({slot.name})"
        else:
            text += ("," if text else "") + slot.name
    return text


def _wrong_operands(mnemonic: str, possible: Sequence[Syntax], pattern: str) -> EncodeError:
    forms = []
    for syntax in possible:
        form = f"{mnemonic} {written_form(syntax)}".strip()
        if form not in forms:
            forms.append(form)
    shown = " or ".join(f"`{form}`" for form in forms[-3:])
    count = len(pattern)
    given = {0: "no operands", 1: "1 operand"}.get(count, f"{count} operands")
    counts = {len(_pattern(syntax.operands)) for syntax in possible}
    if count in counts:
        label = "a displacement is written with its base register, as 8(r1)"
    elif count == 0:
        label = "it has no operands here"
    else:
        label = f"it has {given} here"
    return EncodeError(f"{mnemonic} is written {shown}", None, label)


def encode(mnemonic: str, slots: Slots, values: Sequence[int]) -> int:
    """The word of the first syntax that takes these values. Raises EncodeError."""
    failure: EncodeError | None = None
    for syntax in slots.syntaxes:
        try:
            return syntax.encode(values)
        except OperandError as error:
            failure = _explain(mnemonic, syntax, values, error)
    assert failure is not None  # slots_for never answers without a syntax
    raise failure


def _explain(
    mnemonic: str, syntax: Syntax, values: Sequence[int], error: OperandError
) -> EncodeError:
    """The rule as the message, the value beside the caret."""
    index = getattr(error, "index", None)
    text = str(error)
    if index is None:
        return EncodeError(text, None)
    slot, value = syntax.operands[index], values[index]
    rule = text.rpartition(", got ")[0] or text
    help_ = ""
    if value % slot.multiple and slot.accept_lo <= value <= slot.accept_hi:
        label = f"{value} is not a multiple of {slot.multiple}"
    elif slot.kind is Kind.BRANCH_RELATIVE:
        label = f"the target is {value} bytes away"
        if slot.nbits < 20:
            help_ = "branch around an unconditional b, which reaches 32 MiB"
    elif slot.kind in (Kind.GPR, Kind.CRF, Kind.CRBIT, Kind.SPR):
        label = f"there is no {slot.kind.value} {value}"
    elif slot.lo < 0:
        label = (
            f"{value} does not fit in {slot.nbits} signed bits"
            if slot.nbits
            else f"{value} is outside"
        )
        if mnemonic in ("li", "addi") and -(1 << 31) <= value < (1 << 31):
            help_ = "load it with lis and ori"
        elif slot.kind is Kind.DISPLACEMENT:
            help_ = "add the upper half to the base with addis, using @ha and @l"
    else:
        label = (
            f"{value} does not fit in {slot.nbits} bits" if slot.nbits else f"{value} is outside"
        )
    return EncodeError(rule, index, label, help_)


def fit(slot: Slot, half: int) -> int:
    """A 16-bit half of a value, as the signed or unsigned number that the slot holds."""
    return half - 0x10000 if slot.lo < 0 and half >= 0x8000 else half
