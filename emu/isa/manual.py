"""The manual: what `emu isa NAME` prints, and all of it as one page. Derived from the tables.

Knows nothing of terminals: every function returns plain text, at most 80 columns wide where the
words allow it.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Final

from . import hcalls, interrupts, msr, sprs
from .facilities import BY_NAME as FACILITIES
from .instruction import VARIES
from .notes import NOTES
from .table import ALIASES, CHAPTERS, INSNS, VARIANTS, candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .forms import Box
    from .hcalls import Hcall
    from .instruction import Insn
    from .interrupts import Interrupt
    from .sprs import Spr

WIDTH: Final = 80
MANY_ALIASES: Final = 40
ISA_OF_GENERATION: Final = {7: "2.06", 8: "2.07", 9: "3.0B"}


class UnknownNameError(LookupError):
    """No page has this name; the text suggests those that are spelt alike."""


# ---- pieces of text ------------------------------------------------------------------------


def _heading(left: str, right: str) -> str:
    """First line of a page: the name on the left, what it is on the right."""
    gap = WIDTH - len(left) - len(right)
    return f"{left}{' ' * gap}{right}" if gap >= 2 else f"{left}\n{right:>{WIDTH}}"


def _section(title: str, lines: list[str]) -> list[str]:
    """Return an indented section, or nothing if it is empty."""
    return ["", title, *("  " + line for line in lines)] if lines else []


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the columns of rows; the last column is wrapped to the page."""
    if not rows:
        return []
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        pairs = zip(row[:-1], widths, strict=True)
        head = "".join(f"{word:<{width}}  " for word, width in pairs)
        room = max(WIDTH - 2 - len(head), 24)
        last = textwrap.wrap(row[-1], room) or [""]
        lines.append((head + last[0]).rstrip())
        lines += [" " * len(head) + more for more in last[1:]]
    return lines


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2)


def picture(boxes: tuple[Box, ...]) -> list[str]:
    """Draw the boxes of a word with the book's bit ruler beneath: bit 0 is the leftmost."""
    edge, body, ruler = "+", "|", ""
    for label, first, last in boxes:
        # The last box has room for its first bit and for 31.
        room = 5 if first < last == 31 else 2
        inner = max(2 * (last - first + 1) - 1, len(label), room)
        ruler += f"{first:<{inner + 1}}"
        edge += "-" * inner + "+"
        body += f"{label:^{inner}}|"
    if boxes[-1][1] != 31:
        ruler = ruler[:-2] + "31"
    return [edge, body, edge, ruler.rstrip()]


def _generations(since: int, until: int) -> str:
    """Host generations as a sentence."""
    if since == 7 and not until:
        return "every host generation"
    if not until:
        return f"POWER{since} and later (Power ISA {ISA_OF_GENERATION[since]})"
    return f"POWER{since} to POWER{until}" if since != until else f"POWER{since} only"


def _vector(name: str) -> str:
    row = interrupts.BY_NAME[name]
    return f"{row.vector:#x} {row.title}"


def _note(key: str) -> list[str]:
    """Section with what this machine does where the book leaves it open."""
    return _section("On this machine", _wrap(NOTES.get(key, "")))


# ---- instructions --------------------------------------------------------------------------


def _privilege(row: Insn) -> str:
    if row.privilege == "problem":
        return "problem state: any program"
    if row.privilege == "privileged":
        return "privileged: the operating system (MSR[PR] = 0)"
    return "hypervisor: MSR[HV] = 1 and MSR[PR] = 0"


def instruction_interrupts(row: Insn) -> list[tuple[str, str]]:
    """Interrupts that executing this instruction can cause: (vector and title, when)."""
    found = []
    if row.privilege == "privileged":
        found.append((_vector("program"), "in problem state; SRR1[45] = 1"))
    if row.privilege == "hypervisor":
        found.append((_vector("program"), "in the guest; SRR1[45] = 1"))
    facility = FACILITIES.get(row.facility)
    if facility:
        code = f"interruption code {facility.ic}"
        if facility.fscr:
            found.append(
                (
                    _vector("facility_unavailable"),
                    f"in problem state if FSCR disables {facility.name}; {code}",
                )
            )
        if facility.hfscr:
            found.append(
                (
                    _vector("hypervisor_facility_unavailable"),
                    f"in the guest if HFSCR disables {facility.name}; {code}",
                )
            )
    if row.load or row.store:
        found.append((_vector("data_storage"), "the address lies outside the partition"))
    if row.aligned:
        found.append((_vector("alignment"), "the address is not a multiple of the operand's size"))
    if VARIES in {row.load, row.store}:
        found.append((_vector("alignment"), "in little-endian mode"))
    if row.name in {"tw", "twi", "td", "tdi"}:
        found.append((_vector("program"), "one of the conditions of TO holds; SRR1[46] = 1"))
    if row.name in {"mfspr", "mtspr"}:
        found.append((_vector("program"), "the register is not for this state; SRR1[45] = 1"))
        found.append((_vector("facility_unavailable"), "FSCR disables the register's facility"))
        found.append(
            (_vector("hypervisor_facility_unavailable"), "HFSCR disables the register's facility")
        )
        found.append(
            (
                _vector("emulation_assistance"),
                "SPR 0; in problem state any number that names no register",
            )
        )
    if row.name == "sc":
        found.append((_vector("system_call"), "always; with LEV = 1 it is an hcall"))
    if row.since > 7 or row.until:
        found.append((_vector("emulation_assistance"), "on a host that does not have it"))
    return found


def _fields(row: Insn) -> list[tuple[str, str, str]]:
    """(name, bits, meaning) of each field, in the order of the word."""
    meanings = {"OE": "1: record overflow in XER", "Rc": "1: record the result in CR0",
                "LK": "1: LR := address of the next instruction",
                "AA": "1: the field holds an address, not a distance"}  # fmt: skip
    places: dict[str, list[str]] = {}
    for label, first, last in row.boxes:
        if not label.isdigit() and label != "/":
            where = str(first) if first == last else f"{first}:{last}"
            places.setdefault(label, []).append(where)
    for operand in row.variants[0].operands:
        for label, _, _ in operand.boxes:
            meaning = operand.meaning
            if operand.multiple > 1 and "multiple" not in meaning:
                meaning += f", divided by {operand.multiple}"
            meanings[label] = meaning
    return [(label, " and ".join(where), meanings[label]) for label, where in places.items()]


@cache
def _aliases() -> dict[str, list[tuple[str, str]]]:
    """Row name -> (what is written, what it stands for) of each of its extended mnemonics.

    One that is spelt like an instruction is on that one's page too: `mftb RT = mfspr RT,268`.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for mnemonic, alias in ALIASES:
        variants = (VARIANTS[alias.base.partition(" ")[0]], VARIANTS.get(mnemonic))
        written = f"{mnemonic} {_plain(alias.operands)}".rstrip()
        for name in {variant.insn.name for variant in variants if variant}:
            found.setdefault(name, []).append((written, _plain(alias.base).rstrip()))
    return found


def _extended(row: Insn) -> list[str]:
    """Extended mnemonics of a row with their meanings, or their names alone if they are many."""
    pairs = _aliases().get(row.name, [])
    if len(pairs) > MANY_ALIASES:
        return _wrap(" ".join(dict.fromkeys(written.split()[0] for written, _ in pairs)))
    return _columns([(written, "= " + base) for written, base in pairs])


def _plain(text: str) -> str:
    """Return a syntax without the tails that tell operands of one name apart: L@9 is an L."""
    return re.sub(r"@\w+", "", text).replace("RA0", "RA")


def instruction_page(row: Insn, *, aliases: bool = True) -> str:
    """Page of one row of the table: all its mnemonics."""
    mnemonics = ", ".join(variant.mnemonic for variant in row.variants)
    operands = _plain(row.syntax.partition(" ")[2])
    lines = [_heading(mnemonics, row.summary), ""]
    lines += [f"  {variant.mnemonic} {operands}".rstrip() for variant in row.variants]
    lines += _section(f"{row.form}-form", picture(row.boxes))
    lines += _section("Fields", _columns(_fields(row)))
    facts = [("opcode", f"{row.match & row.opcode_mask:#010x}, mask {row.opcode_mask:#010x}")]
    if row.rtl:
        lines += _section(
            "Description", [piece for line in row.rtl.split("\n") for piece in _wrap(line)]
        )
    facts.append(("privilege", _privilege(row)))
    facility = FACILITIES.get(row.facility)
    if facility:
        facts.append(("facility", f"{facility.name}: {facility.summary}"))
    facts.append(("hosts", _generations(row.since, row.until)))
    facts.append(("source", row.source))
    if row.invalid:
        facts.insert(1, ("invalid", "; ".join(row.invalid)))
    lines += _section("Facts", _columns(facts))
    lines += _note(row.name)
    lines += _section("Interrupts", _columns(instruction_interrupts(row)))
    if aliases:
        lines += _section("Extended mnemonics", _extended(row))
    return "\n".join(lines) + "\n"


def alias_page(mnemonic: str) -> str:
    """Page of an extended mnemonic: what it stands for, then the page of that."""
    syntaxes = candidates(mnemonic)
    rows = {syntax.variant.insn.name: syntax.variant.insn for syntax in syntaxes}
    pairs = [
        (f"{mnemonic} {_plain(alias.operands)}".rstrip(), "= " + _plain(alias.base).rstrip())
        for name, alias in ALIASES
        if name == mnemonic
    ]
    lines = [_heading(mnemonic, "extended mnemonic"), "", *("  " + x for x in _columns(pairs)), ""]
    pages = [instruction_page(row, aliases=False) for row in rows.values()]
    return "\n".join([*lines, "\n".join(pages)])


# ---- registers, interrupts, hcalls ---------------------------------------------------------


def _bits_table(register: str) -> list[str]:
    return _columns([(row.name, row.where, row.summary) for row in msr.REGISTERS[register]])


def _spr_access(row: Spr) -> list[tuple[str, str]]:
    def who(access: str | None) -> str:
        return {"problem": "any program", "privileged": "privileged state",
                "hypervisor": "the hypervisor", None: "nobody"}[access]  # fmt: skip

    facts = [("number", f"{row.number} ({row.number:#x})"), ("width", f"{row.width} bits"),
             ("read by", who(row.read)), ("written by", who(row.write))]  # fmt: skip
    facility = FACILITIES.get(row.facility)
    if facility:
        facts.append(("facility", f"{facility.name}, interruption code {facility.ic}"))
    facts.append(("hosts", _generations(row.since, row.until)))
    facts.append(("source", row.source))
    return facts


def spr_page(rows: tuple[Spr, ...]) -> str:
    """Page of a register: its numbers (CTRL has two), access and named bits."""
    name = rows[0].name.upper()
    lines = [_heading(name, "special purpose register")]
    for row in rows:
        lines += _section(row.summary, _columns(_spr_access(row)))
    if name in msr.REGISTERS:
        lines += _section("Bits", _bits_table(name))
    lines += _note(rows[0].name)
    return "\n".join(lines) + "\n"


def register_page(name: str) -> str:
    """Page of a register, or of a message, that is no SPR."""
    kind = {"MSR": "machine state register", "DBELL": "doorbell message: (RB) of msgsndp, msgsnd"}
    lines = [_heading(name, kind[name]), *_section("Bits", _bits_table(name)), *_note(name.lower())]
    return "\n".join(lines) + "\n"


def interrupt_page(row: Interrupt) -> str:
    """Page of an interrupt."""
    saved = "SRR0, SRR1" if row.save == "SRR" else "HSRR0, HSRR1"
    facts = [("vector", f"{row.vector:#x}"), ("saved in", saved),
             ("kind", "synchronous" if row.synchronous else "asynchronous"),
             ("enabled by", row.enabled_by or "always")]  # fmt: skip
    if not row.synchronous:
        order = [other.title for other in interrupts.asynchronous()]
        place = order.index(row.title)
        facts.append(("goes after", ", ".join(order[:place]) or "nothing: it is the first"))
    facts.append(("moved by", "LPCR[AIL] = 3 while IR = DR = 1" if row.ail else "nothing"))
    facts.append(("hosts", _generations(row.since, 0)))
    facts.append(("source", row.source))
    heading = _heading(row.name, f"{row.title} interrupt")
    lines = [heading, "", *("  " + line for line in _wrap(row.summary)),
             *_section("Facts", _columns(facts)), *_note(row.name)]  # fmt: skip
    return "\n".join(lines) + "\n"


def hcall_page(row: Hcall) -> str:
    """Page of an hcall."""
    registers = [("r3", f"{row.number:#x}, the number of this hcall")]
    registers += [(f"r{n}", name) for n, name in enumerate(row.arguments, 4)]
    results = [("r3", "0 (H_SUCCESS) or a code")]
    results += [(f"r{n}", name) for n, name in enumerate(row.results, 4)]
    lines = [_heading(row.name, "hcall: sc 1"), "", *("  " + x for x in _wrap(row.summary)),
             *_section("Before", _columns(registers)), *_section("After", _columns(results)),
             *_section("Facts", _columns([("source", row.source)]))]  # fmt: skip
    return "\n".join(lines) + "\n"


# ---- names ---------------------------------------------------------------------------------


@cache
def _pages() -> dict[str, Callable[[], str]]:
    """Every name that has a page, in lower case, with what makes the page.

    Where names clash, instructions win over registers, and those over interrupts.
    """
    pages: dict[str, Callable[[], str]] = {}
    for call in hcalls.HCALLS:
        pages[call.name.lower()] = lambda call=call: hcall_page(call)  # type: ignore[misc]
    for row in interrupts.INTERRUPTS:
        for name in (row.name, f"{row.vector:#x}", row.title.lower()):
            pages[name] = lambda row=row: interrupt_page(row)  # type: ignore[misc]
    for register in ("MSR", "DBELL"):
        pages[register.lower()] = lambda register=register: register_page(register)  # type: ignore[misc]
    for spr in sprs.SPRS:
        rows = sprs.find_spr(spr.name)
        for name in (spr.name, f"spr{spr.number}"):
            pages[name] = lambda rows=rows: spr_page(rows)  # type: ignore[misc]
    for mnemonic, _ in ALIASES:
        pages[mnemonic] = lambda mnemonic=mnemonic: alias_page(mnemonic)  # type: ignore[misc]
    for insn in INSNS:
        for variant in insn.variants:
            pages[variant.mnemonic] = lambda insn=insn: instruction_page(insn)  # type: ignore[misc]
    return pages


def page(name: str) -> str:
    """Return the page of an instruction, extended mnemonic, SPR, interrupt or hcall.

    name: in any case; an SPR also as `spr446`, an interrupt also by vector (`0xa00`) or title.
    Raises UnknownNameError with suggestions.
    """
    pages = _pages()
    key = " ".join(name.lower().split())
    if key in pages:
        return pages[key]()
    similar = difflib.get_close_matches(key, pages, n=3)
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    raise UnknownNameError(f"the manual has no page {name!r}{hint}")


def index() -> str:
    """Return the list of everything that has a page."""
    lines = ["emu isa NAME shows one page. In any case of letters, NAME is one of these:"]
    for chapter in CHAPTERS:
        title = (chapter.__doc__ or chapter.__name__).partition("\n")[0].rstrip(".")
        words = [variant.mnemonic for row in chapter.INSNS for variant in row.variants]
        lines += _section(title, _wrap(" ".join(words)))
    extended = dict.fromkeys(name for name, _ in ALIASES if not name.endswith(("+", "-")))
    lines += _section(
        "Extended mnemonics (a branch also with the hint + or -)", _wrap(" ".join(extended))
    )
    names = list(dict.fromkeys(row.name for row in sprs.SPRS))
    lines += _section("Registers (or sprN by number)", _wrap(" ".join(["msr", *names, "dbell"])))
    titles = [f"{row.vector:#x} {row.name}" for row in interrupts.INTERRUPTS]
    lines += _section("Interrupts (by name or vector)", titles)
    lines += _section("Hcalls", _wrap(" ".join(row.name for row in hcalls.HCALLS)))
    return "\n".join(lines) + "\n"


def manual() -> str:
    """Return the whole manual as one Markdown page."""

    def block(text: str) -> str:
        return f"```text\n{text.rstrip()}\n```\n"

    parts = [
        "# The machine's manual\n",
        "Generated from the tables in `emu/isa/`; `emu isa NAME` prints one entry.\n",
    ]
    for chapter in CHAPTERS:
        title = (chapter.__doc__ or chapter.__name__).partition("\n")[0].rstrip(".")
        parts.append(f"## {title}\n")
        parts += [block(instruction_page(row)) for row in chapter.INSNS]
    parts.append("## Registers\n")
    parts += [block(register_page(name)) for name in ("MSR", "DBELL")]
    names = dict.fromkeys(row.name for row in sprs.SPRS)
    parts += [block(spr_page(sprs.find_spr(name))) for name in names]
    parts.append("## Interrupts\n")
    parts += [block(interrupt_page(row)) for row in interrupts.INTERRUPTS]
    parts.append("## Hcalls\n")
    parts += [block(hcall_page(row)) for row in hcalls.HCALLS]
    return "\n".join(parts)
