"""What a row of the instruction table means: Insn and its Variants.

    insn("add[o][.] RT,RA,RB", "XO", "31 RT RA RB OE 266 Rc", "I 3.3.9", "Add", "RT <- (RA)+(RB)")

The syntax names the operands in written order, `D(RA0)` being a displacement and its base, and
`[,L]` or `[BF,]` one that may be left out and then counts as 0. The bit picture is the book's box
diagram: a number is fixed, a name a field, `/` reserved. The suffixes in brackets make one
variant each: `[o]` sets OE, `[.]` Rc, `[l]` LK, `[a]` AA. Mask, match, operand places and the
disassembler follow from this; nothing is said twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from .bits import mask
from .forms import VARIANT_BOXES, Box, TableError, layout
from .invalid import INVALID_FORMS
from .operands import OPERANDS, Operand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sprs import Access

VARIES = -1
"""Insn.load or .store of the multiple and string instructions."""

SUFFIX_BOX = {"o": "OE", ".": "Rc", "l": "LK", "a": "AA"}
"""Suffix in brackets -> the box that it sets to 1."""

ABSOLUTE = {"LI": "LI@a", "BD": "BD@a"}
"""Distance to a branch target -> the operand that the same field holds if AA = 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Insn:
    """One row of the table: up to four mnemonics that share an opcode and a C function.

    name: identifier of the row and of its C function (`do_<name>`). form: as the book names it.
    boxes: the bit picture. section: where the book describes it. rtl: what it does. privilege: the
    least privileged state that may execute it. facility: a row of facilities.py, or "". since,
    until: first and last host generation that has it (7, 8, 9 for Power ISA 2.06, 2.07, 3.0B);
    0 = no limit. load, store: bytes of storage accessed; VARIES for the multiple and string forms.
    aligned: the address must be a multiple of that. invalid: the rules of INVALID_FORMS that its
    words must not break. match, mask: its fixed bits, with the reserved ones, which are 0.
    opcode_mask: the bits that execution looks at; it ignores reserved ones.
    """

    name: str
    syntax: str
    form: str
    boxes: tuple[Box, ...]
    section: str
    summary: str
    rtl: str
    privilege: Access
    facility: str
    since: int
    until: int
    load: int
    store: int
    aligned: bool
    invalid: tuple[str, ...]
    match: int
    mask: int
    opcode_mask: int
    variants: tuple[Variant, ...] = field(init=False, repr=False)

    @property
    def source(self) -> str:
        """Where the book describes it; one that was dropped, the last edition that has it."""
        edition = {0: "v3.0B", 8: "2.07", 7: "2.06"}[self.until]
        return f"Power ISA {edition} Book {self.section}"

    def __post_init__(self) -> None:
        """Make one variant of each combination of the suffixes."""
        object.__setattr__(self, "variants", tuple(_variants(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One mnemonic of an instruction, with its variant bits fixed.

    oe, rc, lk, aa: its variant bits. match, mask, opcode_mask: as in Insn, these bits included.
    operands: in written order.
    """

    insn: Insn
    mnemonic: str
    oe: bool
    rc: bool
    lk: bool
    aa: bool
    match: int
    mask: int
    opcode_mask: int
    operands: tuple[Operand, ...]

    @property
    def ident(self) -> str:
        """The mnemonic as a C identifier."""
        return identifier(self.mnemonic)

    def extract(self, word: int) -> list[int]:
        """The operand values in `word`, in written order."""
        return [operand.extract(word) for operand in self.operands]

    def is_valid(self, word: int) -> bool:
        """Whether a word of this variant breaks none of its rules (see INVALID_FORMS)."""
        return not any(INVALID_FORMS[rule](word) for rule in self.insn.invalid)


def identifier(mnemonic: str) -> str:
    """A mnemonic as a C and Python identifier."""
    return mnemonic.replace(".", "_")


@cache
def suffixes(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Each mnemonic that `text` stands for, and the variant boxes that it sets.

    `add[o][.]` gives add, add., addo and addo.
    """
    if "[" not in text:
        return ((text, frozenset()),)
    head, *groups = re.split(r"\[(.)\]", text)
    choices, tails = groups[::2], groups[1::2]
    if any(tails[:-1]):
        raise TableError(f"suffixes must be adjacent, got {text}")
    return tuple(
        (head + "".join(chosen) + tails[-1], frozenset(SUFFIX_BOX[s] for s in chosen if s))
        for chosen in product(*(("", choice) for choice in choices))
    )


def _variants(insn: Insn) -> Iterator[Variant]:
    """The variants of a row."""
    head, _, tail = insn.syntax.partition(" ")
    keys = operand_keys(alternatives(tail)[-1])
    for mnemonic, ones in suffixes(head):
        set_bits = sum(mask(*VARIANT_BOXES[label], 32) for label in ones)
        yield Variant(
            insn=insn,
            mnemonic=mnemonic,
            oe="OE" in ones,
            rc="Rc" in ones,
            lk="LK" in ones,
            aa="AA" in ones,
            match=insn.match | set_bits,
            mask=insn.mask,
            opcode_mask=insn.opcode_mask,
            operands=tuple(OPERANDS[ABSOLUTE.get(k, k) if "AA" in ones else k] for k in keys),
        )


def insn(
    syntax: str,
    form: str,
    picture: str,
    section: str,
    summary: str,
    rtl: str,
    *,
    privilege: Access = "problem",
    facility: str = "",
    since: int = 7,
    until: int = 0,
    load: int = 0,
    store: int = 0,
    aligned: bool = False,
    invalid: tuple[str, ...] = (),
) -> Insn:
    """One row of the table; see the module's docstring. Raises TableError if it is malformed.

    section: of the Power ISA, from the book's number on. rtl: what it does, in the book's notation.
    """
    head, _, tail = syntax.partition(" ")
    try:
        operands = [OPERANDS[key] for key in operand_keys(alternatives(tail)[-1])]
        labels = {label for _, ones in suffixes(head) for label in ones}
        variant_boxes = {(label, *VARIANT_BOXES[label]) for label in labels}
        fields = {box for operand in operands for box in operand.boxes} | variant_boxes
        boxes = layout(form, picture.split(), fields)
    except TableError as error:
        raise TableError(f"{syntax}: {error}") from None
    match = 0
    fixed = opcode = sum(mask(first, last, 32) for _, first, last in variant_boxes)
    for label, first, last in boxes:
        if label == "/":
            fixed |= mask(first, last, 32)
        elif label.isdigit():
            fixed |= mask(first, last, 32)
            match |= int(label) << (31 - last)
            # An Rc bit printed as 1 (stwcx.) is no part of the opcode: execution ignores it.
            if (first, last) != (31, 31):
                opcode |= mask(first, last, 32)
    if unknown := set(invalid) - set(INVALID_FORMS):
        raise TableError(f"{syntax}: there is no rule {', '.join(sorted(unknown))}")
    return Insn(
        name=identifier(re.sub(r"\[.\]", "", head)),
        syntax=syntax,
        form=form,
        boxes=boxes,
        section=section,
        summary=summary,
        rtl=rtl,
        privilege=privilege,
        facility=facility,
        since=since,
        until=until,
        load=load,
        store=store,
        aligned=aligned,
        invalid=invalid,
        match=match,
        mask=fixed,
        opcode_mask=opcode,
    )


def alternatives(text: str) -> list[str]:
    """The operand lists that a syntax stands for, from the shortest: `[BF,]RA,RB` gives two."""
    start = text.find("[")
    if start < 0:
        return [text]
    depth = 0
    for end in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[end], 0)
        if depth == 0:
            before, inside, after = text[:start], text[start + 1 : end], text[end + 1 :]
            return alternatives(before + after) + alternatives(before + inside + after)
    raise TableError(f"no ] in {text}")


def operand_keys(text: str) -> list[str]:
    """The operand keys of one operand list, such as `RT,D(RA0)`."""
    keys = re.findall(r"[A-Za-z][\w@]*", text)
    if unknown := [key for key in keys if key not in OPERANDS]:
        raise TableError(f"there is no operand {', '.join(unknown)}")
    return keys
