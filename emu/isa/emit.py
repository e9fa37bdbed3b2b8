"""The tables as C: `c_header()` is the text of isa_gen.h, which the core is compiled with.

It holds no semantics, only what the tables say: variants, encodings, where operands go in a
decoded record, SPR access rows, and the bits, vectors and numbers that have names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .absent import ABSENT
from .facilities import FACILITIES
from .hcalls import HCALLS
from .interrupts import AIL3_BASE, INTERRUPTS
from .msr import DOORBELL_TYPE, REGISTERS, XER_MASK
from .sprs import SPRS
from .table import INSNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .instruction import Insn, Variant
    from .operands import Operand
    from .sprs import Spr

# Where the interpreter finds an operand in a decoded record (emu_op): one byte a, b, c or d, or
# the 32-bit imm. Registers sit where the word has them, so `a` is RT or RS, `b` RA, `c` RB.
SLOTS: Final = {
    "a": ("RT", "RS", "RTp", "RSp", "TO", "BF", "BT", "BO", "TH", "CT", "WC", "L@9", "IH"),
    "b": ("RA", "RA0", "BFA", "BA", "BI", "PRS"),
    "c": ("RB", "SH", "sh", "NB", "BB", "BH"),
    "d": ("RC", "BC", "MB", "mb", "me", "L", "L@14", "L@15", "CY", "EH", "R"),
    "imm": (
        *("SI", "SI@s", "UI", "UI@c", "D", "DS", "DQ", "D@x", "LI", "LI@a", "BD", "BD@a"),
        *("SPR", "TBR", "FXM", "ME", "LEV", "RIC"),
    ),
}
_SLOT_OF: Final = {key: slot for slot, keys in SLOTS.items() for key in keys}

# RA0 with register 0 reads the word after the 32 registers, which is always 0.
ZERO_REGISTER: Final = 32

# Instructions after which a straight-line run ends, because what follows may be elsewhere, or
# because they change what the inner loops take for granted (MSR, timers, pending interrupts).
ENDS_RUN: Final = frozenset(
    {
        *("b", "bc", "bclr", "bcctr", "bctar", "sc", "rfid", "hrfid", "mtmsr", "mtmsrd", "mtspr"),
        *("msgsndp", "msgclrp", "stop", "nap", "doze", "sleep", "rvwinkle"),
    }
)

_ACCESS: Final = {"problem": 0, "privileged": 1, "hypervisor": 2}
_IC: Final = {row.name: row.ic for row in FACILITIES}
_NO_FACILITY: Final = -1
_PLACE: Final = {"vcpu": "v->", "thread": "c->t->", "subproc": "c->s->"}


# The longest sequence of instructions that the interpreter executes as one.
SEQUENCE_MAX: Final = 4

# Ways to execute a word that are no variants of their own (csrc/emu.h): comparisons, and branches
# that may end a sequence, with whether they test a CR field.
_COMPARISONS: Final = frozenset(
    {"cmpwi", "cmpdi", "cmpw", "cmpd", "cmplwi", "cmpldi", "cmplw", "cmpld"}
)
_STRAIGHT: Final = _COMPARISONS | {
    *("li", "lis", "mr", "nop", "clrldi", "rlwinm_low", "mflr", "mtlr", "mfctr", "mtctr")
}
_BRANCHES: Final = {
    **dict.fromkeys(("b_near", "bl_near", "bdnz_near", "bdz_near"), False),
    **dict.fromkeys(("blt_near", "bge_near", "bgt_near", "ble_near", "beq_near", "bne_near"), True),
}
# Rows that set CR otherwise than a comparison does.
SETS_CR: Final = frozenset(
    {
        *("crand", "crnand", "cror", "crxor", "crnor", "creqv", "crandc", "crorc", "mcrf", "mtcrf"),
        *("mtocrf", "mcrxrx", "cmprb", "cmpeqb", "slbfee_"),
        *("stbcx_", "sthcx_", "stwcx_", "stdcx_", "stqcx_"),
    }
)


def c_header(sequences: str) -> str:
    """Return the text of isa_gen.h.

    sequences: lines of ways, each a sequence of 2 to SEQUENCE_MAX instructions that the interpreter
    is to execute as one; `#` begins a comment. Raises ValueError at one that cannot be.
    """
    return "\n".join(
        (
            "/* Generated from emu/isa; see emit.py there. */",
            "#ifndef ISA_GEN_H",
            "#define ISA_GEN_H",
            *_constants(),
            *_variants(),
            *_accessors(),
            *_slots(),
            *_sprs(),
            *_sequences(sequences),
            "#endif",
            "",
        )
    )


def _constants() -> Iterator[str]:
    """Named bits, vectors, facilities and hcall numbers."""
    for register, fields in REGISTERS.items():
        for row in fields:
            yield f"#define {register}_{row.name} {row.mask:#x}ull"
            yield f"#define {register}_{row.name}_SHIFT {row.shift}"
    yield f"#define XER_MASK {XER_MASK:#x}ull"
    yield f"#define DOORBELL_TYPE {DOORBELL_TYPE}u"
    yield f"#define AIL3_BASE {AIL3_BASE:#x}ull"
    for interrupt in INTERRUPTS:
        yield f"#define VECTOR_{interrupt.name.upper()} {interrupt.vector:#x}u"
    unmoved = " || ".join(f"(vector) == {row.vector:#x}u" for row in INTERRUPTS if not row.ail)
    yield f"#define VECTOR_STAYS(vector) ({unmoved})"
    for facility in FACILITIES:
        yield f"#define IC_{facility.name} {facility.ic}"
    in_fscr = " || ".join(f"(ic) == {row.ic}" for row in FACILITIES if row.fscr)
    in_hfscr = " || ".join(f"(ic) == {row.ic}" for row in FACILITIES if row.hfscr)
    yield f"#define IN_FSCR(ic) ({in_fscr})"
    yield f"#define IN_HFSCR(ic) ({in_hfscr})"
    for hcall in HCALLS:
        yield f"#define {hcall.name} {hcall.number:#x}u"


def _flags(variant: Variant) -> str:
    """The variant bits that are 1, as an expression of C constants."""
    names = ("OE", variant.oe), ("RC", variant.rc), ("LK", variant.lk), ("AA", variant.aa)
    return " | ".join(f"EMU_{name}" for name, on in names if on) or "0"


def _variants() -> Iterator[str]:
    """Rows, variants, and the list that the interpreter's loops are made from."""
    yield "enum { EMU_OE = 1, EMU_RC = 2, EMU_LK = 4, EMU_AA = 8 };"
    yield "enum {"
    yield from (f"    EMU_ROW_{insn.name}," for insn in INSNS)
    yield "    EMU_NROWS\n};"
    yield "typedef enum {"
    yield from (f"    EMU_V_{variant.ident}," for insn in INSNS for variant in insn.variants)
    yield "    EMU_NVARIANTS\n} emu_variant;"
    yield "/* X(variant, row, variant bits, privilege, facility's IC, ends a run) */"
    yield "#define EMU_VARIANTS(X) \\"
    for insn in INSNS:
        facility = _IC[insn.facility] if insn.facility else _NO_FACILITY
        ends = int(insn.name in ENDS_RUN)
        for variant in insn.variants:
            yield (
                f"    X({variant.ident}, {insn.name}, {_flags(variant)},"
                f" {_ACCESS[insn.privilege]}, {facility}, {ends}) \\"
            )
    yield "    /* end */"
    yield "/* X(mask, match, facility): words of facilities that are left out */"
    yield "#define EMU_ABSENT(X) \\"
    for row in ABSENT:
        yield f"    X({row.mask:#x}u, {row.match:#x}u, {row.facility}) \\"
    yield "    /* end */"
    yield "/* X(variant, row, match, mask, since, until, mnemonic) */"
    yield "#define EMU_ENCODINGS(X) \\"
    for insn in INSNS:
        for variant in insn.variants:
            match, mask = variant.match & variant.opcode_mask, variant.opcode_mask
            yield (
                f"    X({variant.ident}, {insn.name}, {match:#x}u, {mask:#x}u,"
                f' {insn.since}, {insn.until or 9}, "{variant.mnemonic}") \\'
            )
    yield "    /* end */"


def _operands() -> dict[str, Operand]:
    """Every operand that a row has, by key."""
    rows = (variant.operands for insn in INSNS for variant in insn.variants)
    return {operand.key: operand for row in rows for operand in row}


def _identifier(key: str) -> str:
    """An operand's key as part of a C name."""
    return key.replace("@", "_at_")


def _accessors() -> Iterator[str]:
    """One function an operand: its value in a word."""
    for key, operand in sorted(_operands().items()):
        place = 0
        terms = []
        for first, last in reversed(operand.pieces):
            width = last - first + 1
            field = f"((w >> {31 - last}) & {(1 << width) - 1:#x}u)"
            terms.append(f"{field} << {place}" if place else field)
            place += width
        value = " | ".join(reversed(terms))
        if operand.lo < 0:
            unused = 32 - place
            value = f"((int32_t)(({value}) << {unused}) >> {unused})"
        else:
            value = f"(int32_t)({value})"
        if operand.multiple != 1:
            value = f"{value} * {operand.multiple}"
        lines = [f"    int32_t value = {value};"]
        if operand.zero_is:
            lines.append(f"    if (value == 0)\n        value = {operand.zero_is};")
        if operand.reads_zero:
            lines.append(f"    if (value == 0)\n        value = {ZERO_REGISTER};")
        yield f"static inline int32_t insn_{_identifier(key)}(uint32_t w)"
        yield "{"
        yield from lines
        yield "    return value;\n}"


def _slots() -> Iterator[str]:
    """One macro: the cases of a switch over rows that fill a record's slots from a word."""
    yield "/* case EMU_ROW_...: op->a = ...; for every row; `op` and `w` are in scope */"
    yield "#define EMU_FILL_SLOTS \\"
    for insn in INSNS:
        yield f"    case EMU_ROW_{insn.name}: {_fill(insn)}break; \\"
    yield "    /* end */"


def _fill(insn: Insn) -> str:
    """The assignments for one row; a row with AA has one imm for either meaning of its field."""
    text = ""
    taken: dict[str, str] = {}
    for operand in insn.variants[0].operands:
        slot = _SLOT_OF[operand.key]
        if slot in taken:
            raise ValueError(f"{insn.name}: {operand.key} and {taken[slot]} share slot {slot}")
        taken[slot] = operand.key
        cast = "" if slot == "imm" else "(uint8_t)"
        text += f"op->{slot} = {cast}insn_{_identifier(operand.key)}(w); "
    return text


def _spr_row(spr: Spr, access: str) -> str:
    """The columns that reads and writes share: number, access, since, until, facility."""
    facility = _IC[spr.facility] if spr.facility else _NO_FACILITY
    return f"{spr.number}, {_ACCESS[access]}, {spr.since}, {spr.until or 9}, {facility}"


def _sprs() -> Iterator[str]:
    """Reads and writes of SPRs: FIELD rows move a word, SPECIAL rows name a function.

    What only the hypervisor may touch has no home here: no guest gets that far.
    """
    for direction in ("read", "write"):
        yield "/* FIELD(number, access, since, until, IC, word, bits) and SPECIAL(..., name),"
        yield "   HYPERVISOR(number, access, since, until, IC) */"
        yield f"#define EMU_SPR_{direction.upper()}S(FIELD, SPECIAL, HYPERVISOR) \\"
        for spr in SPRS:
            access = spr.read if direction == "read" else spr.write
            if access is None:
                continue
            row = _spr_row(spr, access)
            if access == "hypervisor":
                yield f"    HYPERVISOR({row}) \\"
            elif spr.special:
                yield f"    SPECIAL({row}, {spr.home}) \\"
            else:
                window, _, name = spr.home.partition(".")
                yield f"    FIELD({row}, {_PLACE[window]}{name}, {spr.width}) \\"
        yield "    /* end */"


def _sequences(text: str) -> Iterator[str]:
    """Sequences as code for the loops, and as a table for the decoder."""
    variants = {variant.ident: variant for insn in INSNS for variant in insn.variants}
    rows = [line.partition("#")[0].split() for line in text.splitlines()]
    sequences = [row for row in rows if row]
    if len({tuple(row) for row in sequences}) != len(sequences):
        raise ValueError("a sequence stands twice")
    yield f"#define EMU_SEQUENCE_MAX {SEQUENCE_MAX}u"
    yield f"#define EMU_NSEQUENCES {len(sequences)}"
    code = ["#define EMU_SEQUENCES(HEAD, STEP, LAST, NEAR) \\"]
    table = ["#define EMU_SEQUENCE_WAYS \\"]
    for number, ways in enumerate(sequences):
        compares = _check_sequence(ways, variants)
        last = len(ways) - 1
        known = int(compares is not None)
        parts = [f"HEAD({number})"]
        parts += [f"STEP({place}, {way})" for place, way in enumerate(ways[:-1])]
        if ways[-1] in _BRANCHES:
            parts.append(f"NEAR({last}, {ways[-1]}, {known})")
        else:
            parts.append(f"LAST({last}, {ways[-1]})")
        code.append(f"    {' '.join(parts)} \\")
        ids = [f"EMU_{'V' if way in variants else 'I'}_{way}" for way in ways]
        ids += ["EMU_I_undecoded"] * (SEQUENCE_MAX - len(ways))
        place = 0xFF if compares is None else compares
        table.append(f"    {{{{{', '.join(ids)}}}, {place:#x}}}, \\")
    yield from (*code, "    /* end */", *table, "    /* end */")


def _check_sequence(ways: list[str], variants: dict[str, Variant]) -> int | None:
    """Return the place of the comparison that the sequence's branch tests, if there is one."""
    text = " ".join(ways)
    if not 2 <= len(ways) <= SEQUENCE_MAX:
        raise ValueError(f"a sequence has 2 to {SEQUENCE_MAX} instructions, got {text}")
    compares = None
    for place, way in enumerate(ways):
        variant = variants.get(way)
        if way in _COMPARISONS:
            compares = place
        elif variant is not None:
            row = variant.insn
            if row.name in ENDS_RUN | SETS_CR or row.privilege != "problem" or row.facility:
                raise ValueError(f"{way} cannot be part of a sequence, got {text}")
            if variant.rc or row.name in {"andi_", "andis_", "addic_"}:
                compares = place
        elif way in _BRANCHES and place == len(ways) - 1:
            return compares if _BRANCHES[way] else None
        elif way not in _STRAIGHT:
            raise ValueError(f"{way} cannot stand there in a sequence, got {text}")
    return None
