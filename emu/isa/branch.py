"""Branch facility (Power ISA v3.0B Book I chapter 2) and its extended mnemonics (appendix C)."""

# ruff: noqa: E501  rows of the table are one line each
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING

from .instruction import insn
from .syntax import alias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .syntax import Alias

INSNS = (
    # 2.4 Branch instructions
    #    syntax                  form   boxes, as printed          where       what
    insn("b[l][a] LI",           "I",   "18 LI AA LK",             "I 2.4",    "Branch",
         "NIA <- CIA + LI, or LI if AA; if LK then LR <- CIA + 4"),
    insn("bc[l][a] BO,BI,BD",    "B",   "16 BO BI BD AA LK",       "I 2.4",    "Branch Conditional",
         "decrement CTR as BO says; if the condition holds NIA <- CIA + BD, or BD if AA; if LK then LR <- CIA + 4",
         invalid=("BO reserved",)),
    insn("bclr[l] BO,BI[,BH]",   "XL",  "19 BO BI / BH 16 LK",     "I 2.4",    "Branch Conditional to Link Register",
         "decrement CTR as BO says; if the condition holds NIA <- LR[0:61] || 0b00; if LK then LR <- CIA + 4",
         invalid=("BO reserved",)),
    insn("bcctr[l] BO,BI[,BH]",  "XL",  "19 BO BI / BH 528 LK",    "I 2.4",    "Branch Conditional to Count Register",
         "if the condition holds NIA <- CTR[0:61] || 0b00; if LK then LR <- CIA + 4",
         invalid=("BO reserved", "BO counts")),
    insn("bctar[l] BO,BI[,BH]",  "XL",  "19 BO BI / BH 560 LK",    "I 2.4",    "Branch Conditional to Branch Target Address Register",
         "decrement CTR as BO says; if the condition holds NIA <- TAR[0:61] || 0b00; if LK then LR <- CIA + 4",
         invalid=("BO reserved",), facility="TAR", since=8),

    # 2.5 Condition register instructions
    insn("crand BT,BA,BB",       "XL",  "19 BT BA BB 257 /",       "I 2.5.1",  "Condition Register AND",
         "CR[BT] <- CR[BA] & CR[BB]"),
    insn("crnand BT,BA,BB",      "XL",  "19 BT BA BB 225 /",       "I 2.5.1",  "Condition Register NAND",
         "CR[BT] <- ~(CR[BA] & CR[BB])"),
    insn("cror BT,BA,BB",        "XL",  "19 BT BA BB 449 /",       "I 2.5.1",  "Condition Register OR",
         "CR[BT] <- CR[BA] | CR[BB]"),
    insn("crxor BT,BA,BB",       "XL",  "19 BT BA BB 193 /",       "I 2.5.1",  "Condition Register XOR",
         "CR[BT] <- CR[BA] ^ CR[BB]"),
    insn("crnor BT,BA,BB",       "XL",  "19 BT BA BB 33 /",        "I 2.5.1",  "Condition Register NOR",
         "CR[BT] <- ~(CR[BA] | CR[BB])"),
    insn("creqv BT,BA,BB",       "XL",  "19 BT BA BB 289 /",       "I 2.5.1",  "Condition Register Equivalent",
         "CR[BT] <- ~(CR[BA] ^ CR[BB])"),
    insn("crandc BT,BA,BB",      "XL",  "19 BT BA BB 129 /",       "I 2.5.1",  "Condition Register AND with Complement",
         "CR[BT] <- CR[BA] & ~CR[BB]"),
    insn("crorc BT,BA,BB",       "XL",  "19 BT BA BB 417 /",       "I 2.5.1",  "Condition Register OR with Complement",
         "CR[BT] <- CR[BA] | ~CR[BB]"),
    insn("mcrf BF,BFA",          "XL",  "19 BF / BFA / / 0 /",     "I 2.5.2",  "Move Condition Register Field",
         "CR field BF <- CR field BFA"),

    # 2.6 System call
    insn("sc [LEV]",             "SC",  "17 / / / LEV / 1 /",      "I 2.6",    "System Call",
         "SRR0 <- CIA + 4; MSR as for the interrupt; NIA <- 0xC00; LEV = 1 calls the hypervisor"),
)

# Condition -> (BO if the bit must be 1 or 0, bit of the CR field). The first name of a condition
# is the one that the disassembler prints.
_CONDITIONS = (
    ("lt", 12, 0), ("gt", 12, 1), ("eq", 12, 2), ("so", 12, 3), ("un", 12, 3),
    ("ge", 4, 0), ("nl", 4, 0), ("le", 4, 1), ("ng", 4, 1), ("ne", 4, 2), ("ns", 4, 3), ("nu", 4, 3),
)
_SYNONYMS = ("un", "nl", "ng", "nu")

# Hint -> the `at` bits of a BO that tests a CR bit; the `a` and `t` bits of one that counts.
_HINTS = (("", 0, 0), ("-", 2, 8), ("+", 3, 9))


def _branches() -> Iterator[tuple[str, Alias]]:
    """Conditional branches: to a label, and to LR, CTR and TAR."""
    for hint, _, count_hint in _HINTS:
        for count, bo in (("bdnz", 16), ("bdz", 18)):
            yield from alias(f"{count}[l][a]{hint} BD", f"bc[l][a] {bo + count_hint},0,BD")
    for count, bo in (("bdnzf", 0), ("bdzf", 2), ("bdnzt", 8), ("bdzt", 10)):
        yield from alias(f"{count}[l][a] BI,BD", f"bc[l][a] {bo},BI,BD")
    for hint, test_hint, _ in _HINTS:
        for name, bo, bit in _CONDITIONS:
            yield from alias(f"b{name}[l][a]{hint} [BF,]BD", f"bc[l][a] {bo + test_hint},4*BF+{bit},BD",
                             printed=name not in _SYNONYMS)
        yield from alias(f"bt[l][a]{hint} BI,BD", f"bc[l][a] {12 + test_hint},BI,BD", printed=False)
        yield from alias(f"bf[l][a]{hint} BI,BD", f"bc[l][a] {4 + test_hint},BI,BD", printed=False)


def _branches_to_register(register: str) -> Iterator[tuple[str, Alias]]:
    """Conditional branches to `lr`, `ctr` or `tar`."""
    base = f"bc{register}[l]"
    yield from alias(f"b{register}[l] [BH]", f"{base} 20,0,BH")
    if register != "ctr":  # CTR cannot be counted down and branched to at once
        for hint, _, count_hint in _HINTS:
            for count, bo in (("bdnz", 16), ("bdz", 18)):
                yield from alias(f"{count}{register}[l]{hint} [BH]", f"{base} {bo + count_hint},0,BH")
        for count, bo in (("bdnzf", 0), ("bdzf", 2), ("bdnzt", 8), ("bdzt", 10)):
            yield from alias(f"{count}{register}[l] BI[,BH]", f"{base} {bo},BI,BH")
    for hint, test_hint, _ in _HINTS:
        for name, bo, bit in _CONDITIONS:
            yield from alias(f"b{name}{register}[l]{hint} [BF[,BH]]", f"{base} {bo + test_hint},4*BF+{bit},BH",
                             printed=name not in _SYNONYMS)
        yield from alias(f"bt{register}[l]{hint} BI[,BH]", f"{base} {12 + test_hint},BI,BH", printed=False)
        yield from alias(f"bf{register}[l]{hint} BI[,BH]", f"{base} {4 + test_hint},BI,BH", printed=False)


def _hinted() -> Iterator[tuple[str, Alias]]:
    """The basic mnemonics with a hint, which goes into BO."""
    for hint, function in (("+", "taken"), ("-", "untaken")):
        yield from alias(f"bc[l][a]{hint} BO,BI,BD", f"bc[l][a] {function}(BO),BI,BD")
        for base in ("bclr[l]", "bcctr[l]", "bctar[l]"):
            yield from alias(f"{base}{hint} BO,BI[,BH]", f"{base} {function}(BO),BI,BH")


ALIASES = (
    *_branches(),
    *_branches_to_register("lr"),
    *_branches_to_register("ctr"),
    *_branches_to_register("tar"),
    *_hinted(),
    *alias("crset BT",      "creqv BT,BT,BT"),
    *alias("crclr BT",      "crxor BT,BT,BT"),
    *alias("crmove BT,BA",  "cror BT,BA,BA"),
    *alias("crnot BT,BA",   "crnor BT,BA,BA"),
)
