"""Ways to write an instruction: its own operand list, and the extended mnemonics.

    alias("sub[o][.] RT,RA,RB", "subf[o][.] RT,RB,RA")
    alias("srwi[.] RA,RS,n@32", "rlwinm[.] RA,RS,32-n,n,31")

An extended mnemonic gives each operand of its base a value: a number, a written operand, a sum
such as `32-n` or `4*BF+2`, or a function of one operand, `mb(BM)`. The same row encodes (by
evaluating) and disassembles (by solving).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .forms import TableError
from .instruction import ABSOLUTE, alternatives, operand_keys, suffixes
from .invalid import INVALID_FORMS
from .operands import OPERANDS, Operand, OperandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .instruction import Variant


@dataclass(frozen=True, slots=True)
class Alias:
    """An extended mnemonic: a way to write a variant, not an instruction of its own.

    operands: as in insn(). base: the mnemonic that it stands for, and its operands' values.
    printed: whether the disassembler uses it for the words that it can write; it takes the first
    such row.
    """

    operands: str
    base: str
    printed: bool


def alias(syntax: str, base: str, *, printed: bool = True) -> Iterator[tuple[str, Alias]]:
    """The (mnemonic, Alias) pairs of one row, one for each combination of suffixes."""
    head, _, operands = syntax.partition(" ")
    base_head, _, values = base.partition(" ")
    bases = {ones: mnemonic for mnemonic, ones in suffixes(base_head)}
    for mnemonic, ones in suffixes(head):
        if ones not in bases:
            raise TableError(f"{head}: {base_head} has no such suffixes as {mnemonic}")
        yield mnemonic, Alias(operands, f"{bases[ones]} {values}", printed)


def first_one(value: int) -> int:
    """MB of the mask `value`: where its run of ones begins; 0 if it begins nowhere."""
    return next((i for i in range(32) if _bit(value, i) > _bit(value, i - 1)), 0)


def last_one(value: int) -> int:
    """ME of the mask `value`: where its run of ones ends; 31 if it ends nowhere."""
    return next((i for i in range(32) if _bit(value, i) > _bit(value, i + 1)), 31)


def _bit(value: int, number: int) -> int:
    """A bit of a 32-bit mask, bit 32 being bit 0 again."""
    return value >> (31 - number % 32) & 1


def hint(bo: int, *, taken: bool) -> int:
    """BO with the hint that the branch is (not) taken: its `a` and `t` bits.

    Raises OperandError if this BO has no place for a hint, or has the other one.
    """
    if bo & 0b10100 == 0b00100:
        place, hinted = 0b00011, 0b00010 | taken
    elif bo & 0b10100 == 0b10000:
        place, hinted = 0b01001, 0b01000 | taken
    else:
        raise OperandError(f"BO {bo} has no place for a hint")
    if bo & place not in {0, hinted}:
        raise OperandError(f"BO {bo} contradicts the hint")
    return bo | hinted


FUNCTIONS: dict[str, Callable[[int], int]] = {
    "mb": first_one,
    "me": last_one,
    "taken": lambda bo: hint(bo, taken=True),
    "untaken": lambda bo: hint(bo, taken=False),
}
"""What an extended mnemonic may do to one written operand, where a sum is not enough."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Value of a base operand: constant + sum of factor * written operand, or a function of one.

    terms: (index of the written operand, factor). width: of the register, if this is a computed
    shift amount: `32-n` for n = 0 is a shift by the whole width, which is none.
    """

    text: str
    constant: int
    terms: tuple[tuple[int, int], ...]
    function: str
    width: int

    def value(self, written: Sequence[int]) -> int:
        """Its value for the written operands."""
        result = self.constant
        for index, factor in self.terms:
            result += factor * written[index]
        if self.function:
            result = FUNCTIONS[self.function](result)
        return 0 if result == self.width else result


def _expression(
    text: str, names: Sequence[str], optional: set[str], operand: Operand
) -> Expression:
    """Parse `text` as a value of the base operand `operand`.

    names: the written operands. optional: the names that count as 0 if they are not written.
    """
    call = re.fullmatch(r"(\w+)\((\w+)\)", text)
    summands = [call[2]] if call else re.split(r"(?<=.)(?=[+-])", text)
    constant = 0
    terms = []
    for summand in summands:
        parts = re.fullmatch(r"([+-]?)(?:(\d+)\*)?(\w+)", summand)
        if parts is None:
            raise TableError(f"cannot read {text}")
        sign, times, atom = parts.groups()
        factor = int(times or 1) * (-1 if sign == "-" else 1)
        if atom.isdigit():
            constant += factor * int(atom)
        elif atom in names:
            terms.append((names.index(atom), factor))
        elif atom not in optional:
            raise TableError(f"there is no operand {atom} in {', '.join(names)}")
    is_shift = operand.name in {"SH", "sh"} and len(summands) > 1
    return Expression(
        text, constant, tuple(terms), call[1] if call else "", operand.hi + 1 if is_shift else 0
    )


@dataclass(frozen=True, slots=True, eq=False)
class Syntax:
    """One way to write a variant: a mnemonic, the operands to write, the base operands' values.

    A DISPLACEMENT operand is written before its base register, which stands in parentheses.
    match, mask: bits that every word so written has; a word has more conditions to meet if an
    operand occurs twice (`mr`) or in a sum (`srwi`).
    """

    mnemonic: str
    operands: tuple[Operand, ...]
    variant: Variant
    values: tuple[Expression, ...]  # of variant.operands
    match: int
    mask: int

    def encode(self, written: Sequence[int]) -> int:
        """The word for the written operand values.

        Raises OperandError if one is out of range, or if the word is an invalid form.
        """
        for index, (operand, value) in enumerate(zip(self.operands, written, strict=True)):
            operand.check(value, index)
        word = self.match
        for operand, expression in zip(self.variant.operands, self.values, strict=True):
            if expression.terms:
                value = expression.value(written)
                if not operand.accept_lo <= value <= operand.accept_hi:
                    raise OperandError(
                        f"{operand.name} = {expression.text} must be between {operand.lo} and "
                        f"{expression.width or operand.hi}, got {value}"
                    )
                word |= operand.insert(value)
        for rule in self.variant.insn.invalid:
            if INVALID_FORMS[rule](word):
                raise OperandError(f"{self.mnemonic} with {rule} is an invalid form")
        return word

    def written(self, word: int) -> list[int] | None:
        """The operand values that encode `word`, or None if it cannot be written this way."""
        if word & self.mask != self.match:
            return None
        base = self.variant.extract(word)
        solved: dict[int, int] = {}
        for value, expression in zip(base, self.values, strict=True):
            if len(expression.terms) == 1:
                index, factor = expression.terms[0]
                solved.setdefault(index, (value - expression.constant) // factor)
        written = [solved[index] for index in range(len(self.operands))]
        for operand, value in zip(self.operands, written, strict=True):
            if not operand.lo <= value <= operand.hi:
                return None
        try:
            is_solution = base == [expression.value(written) for expression in self.values]
        except OperandError:
            return None
        return written if is_solution else None


def syntaxes(
    mnemonic: str, operands: str, variant: Variant, base: str | None = None
) -> Iterator[Syntax]:
    """The ways to write `variant` as `mnemonic`, from the shortest operand list to the longest.

    operands: the operand list of a row. base: the values of the variant's own operands, or None
    if they are the written ones.
    """
    lists = [operand_keys(text) for text in alternatives(operands)]
    optional = {OPERANDS[key].name for key in lists[-1]}
    if base is None:
        values = [operand.name for operand in variant.operands]
    else:
        values = base.split(",") if base else []
    if len(values) != len(variant.operands):
        raise TableError(
            f"{variant.mnemonic} has {len(variant.operands)} operands, {base} gives {len(values)}"
        )
    for keys in lists:
        written = tuple(OPERANDS[ABSOLUTE.get(key, key) if variant.aa else key] for key in keys)
        names = [operand.name for operand in written]
        expressions = []
        match, mask = variant.match, variant.mask
        for value, operand in zip(values, variant.operands, strict=True):
            expression = _expression(value, names, optional, operand)
            expressions.append(expression)
            if not expression.terms:
                match |= operand.insert(expression.constant)
                mask |= operand.field_mask
        yield Syntax(mnemonic, written, variant, tuple(expressions), match, mask)
