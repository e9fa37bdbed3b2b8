"""Ways to write an instruction: its own operand list, and the extended mnemonics.

    alias("sub[o][.] RT,RA,RB", "subf[o][.] RT,RB,RA")
    alias("srwi[.] RA,RS,n@32", "rlwinm[.] RA,RS,32-n,n,31")

An extended mnemonic gives each operand of its base a value: a number, a written operand, or a sum.
The same row encodes (by evaluating) and disassembles (by solving).
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

    operands: as in insn(). base: the mnemonic that it stands for, and the value of each of its
    operands as a sum over the written ones (`32-n`, `4*BF+2`). printed: whether the disassembler
    uses it for the words that it can write; it takes the first such row.
    """

    operands: str
    base: str
    printed: bool


def alias(syntax: str, base: str, *, printed: bool = True) -> Iterator[tuple[str, Alias]]:
    """The (mnemonic, Alias) pairs of one row, one for each combination of suffixes."""
    head, _, operands = syntax.partition(" ")
    base_head, _, base_operands = base.partition(" ")
    bases = {ones: mnemonic for mnemonic, ones in suffixes(base_head)}
    for mnemonic, ones in suffixes(head):
        yield mnemonic, Alias(operands, f"{bases[ones]} {base_operands}", printed)


def first_one(value: int) -> int:
    """MB of the mask `value`: the first bit of its run of ones."""
    value &= 0xFFFFFFFF
    return next((i for i in range(32) if _bit(value, i) and not _bit(value, (i - 1) % 32)), 0)


def last_one(value: int) -> int:
    """ME of the mask `value`: the last bit of its run of ones."""
    value &= 0xFFFFFFFF
    return next((i for i in range(32) if _bit(value, i) and not _bit(value, (i + 1) % 32)), 31)


def _bit(value: int, number: int) -> int:
    return (value >> (31 - number)) & 1


def hint(bo: int, *, taken: bool) -> int:
    """BO with the hint that the branch is (not) taken: its `a` and `t` bits."""
    if bo & 0b10100 == 0b00100:
        return bo | 0b00010 | taken
    if bo & 0b10100 == 0b10000:
        return bo | 0b01000 | taken
    raise OperandError(f"BO {bo} has no place for a hint")


# What an extended mnemonic may do to one written operand, where a sum is not enough.
FUNCTIONS: dict[str, Callable[[int], int]] = {
    "mb": first_one,
    "me": last_one,
    "taken": lambda bo: hint(bo, taken=True),
    "untaken": lambda bo: hint(bo, taken=False),
}


@dataclass(frozen=True, slots=True)
class Expression:
    """Value of a base operand: constant + sum of factor * written operand, or a function of one.

    modulus: a shift amount counts modulo the register's width (`32-n` for n = 0), else 0.
    """

    text: str
    constant: int
    terms: tuple[tuple[int, int], ...]  # (index of the written operand, factor)
    function: str = ""
    modulus: int = 0

    def value(self, written: Sequence[int]) -> int:
        """Its value for the written operands."""
        result = self.constant
        for index, factor in self.terms:
            result += factor * written[index]
        if self.function:
            result = FUNCTIONS[self.function](result)
        return result % self.modulus if self.modulus else result


def _expression(
    text: str, names: Sequence[str], optional: set[str], operand: Operand
) -> Expression:
    """Parse `text`, a sum over `names`, as a value of the base operand `operand`.

    An operand that is left out, of `optional` but not of `names`, counts as 0.
    """
    if call := re.fullmatch(r"(\w+)\((\w+)\)", text):
        return Expression(text, 0, ((names.index(call[2]), 1),), call[1])
    constant = 0
    terms = []
    for sign, number, name in re.findall(r"([+-]?)(\d+\b\*?)?([A-Za-z]\w*)?", text):
        factor = int((number or "1").rstrip("*")) * (-1 if sign == "-" else 1)
        if name in names:
            terms.append((names.index(name), factor))
        elif name and name not in optional:
            raise TableError(f"there is no operand {name} in {', '.join(names)}")
        elif number and not name:
            constant += factor
    is_shift = operand.name in ("SH", "sh") and text not in names
    return Expression(text, constant, tuple(terms), modulus=operand.hi + 1 if is_shift else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Syntax:
    """One way to write a variant: a mnemonic, the operands to write, the base operands' values.

    A DISPLACEMENT operand is written before its base register, which stands in parentheses.
    match, mask: bits that every word so written has; a word has more conditions to meet if
    an operand occurs twice (`mr`) or in a sum (`srwi`).
    """

    mnemonic: str
    operands: tuple[Operand, ...]
    variant: Variant
    values: tuple[Expression, ...]  # of variant.operands
    printed: bool
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
                if value < operand.accept_lo or value > operand.accept_hi:
                    raise OperandError(
                        f"{operand.name} = {expression.text} must be between {operand.lo} and "
                        f"{operand.hi}, got {value}"
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
        written: list[int | None] = [None] * len(self.operands)
        for value, expression in zip(base, self.values, strict=True):
            if len(expression.terms) == 1 and not expression.function:
                index, factor = expression.terms[0]
                if written[index] is None and (value - expression.constant) % factor == 0:
                    written[index] = (value - expression.constant) // factor
        solution = [value for value in written if value is not None]
        if len(solution) != len(written):
            return None
        if any(e.value(solution) != value for e, value in zip(self.values, base, strict=True)):
            return None
        return solution


def syntaxes(
    mnemonic: str, operands: str, variant: Variant, base: str | None = None, *, printed: bool = True
) -> Iterator[Syntax]:
    """The ways to write `variant` as `mnemonic`, from the shortest operand list to the longest.

    operands: the operand list of a row. base: the values of the variant's own operands, or None
    if they are the written ones.
    """
    lists = alternatives(operands)
    optional = {OPERANDS[key].name for key in operand_keys(lists[-1])}
    for text in lists:
        keys = operand_keys(text)
        written = tuple(OPERANDS[ABSOLUTE.get(k, k) if variant.aa else k] for k in keys)
        names = [operand.name for operand in written]
        if base is None:
            values = [operand.name for operand in variant.operands]
        else:
            values = base.split(",") if base else []
        expressions = tuple(
            _expression(value, names, optional, operand)
            for value, operand in zip(values, variant.operands, strict=True)
        )
        match = variant.match
        fixed = variant.mask
        for expression, operand in zip(expressions, variant.operands, strict=True):
            if not expression.terms:
                match |= operand.insert(expression.constant)
                fixed |= operand.field_mask
        yield Syntax(mnemonic, written, variant, expressions, printed, match, fixed)
