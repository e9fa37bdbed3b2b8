"""A litmus test as a guest: instruction words, where they lie, and what to look at in the end.

The layout is fixed: interrupt handlers at their vectors, each thread's code on a page of its own,
each location in a reservation granule of its own. Knows nothing of machines and searches.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from emu.asm import Diagnostic, assemble
from emu.errors import AssemblyError, ConfigError
from emu.explore.agents import Agent
from emu.explore.agents import parse as parse_agent
from emu.explore.footprint import Analysis, Entry, analyse, leads_back
from emu.explore.litmus.header import header_problem
from emu.explore.litmus.model import (
    HOSTS,
    Address,
    And,
    Cell,
    CellType,
    Condition,
    Doorbell,
    Equal,
    Implies,
    Litmus,
    Location,
    Nonzero,
    Not,
    Observable,
    Or,
    Register,
    Truth,
    Value,
    observables,
)
from emu.explore.litmus.problems import LitmusError, Problem
from emu.explore.points import END, Point, PointKind, around_handlers, classify
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS, Policy
from emu.isa.hcalls import HCALLS
from emu.isa.operands import Kind
from emu.isa.table import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.asm.program import Endian

CODE = 0x10000
CODE_STRIDE = 0x1000
HANDLER_BYTES = 0x100
CELLS = 0x20000
CELL_STRIDE = 128
MAX_LOCATIONS = 1024
MAX_CORE = 3
MEMORY = CELLS + MAX_LOCATIONS * CELL_STRIDE
END_WORD = 0x48000000  # b .

_REGISTER_0 = re.compile(r"\br0\b")
_BASE_0 = re.compile(r"\(r0\)|^\w+\.?\s+r\d+\s*,\s*r0\s*,\s*r\d+$")
_THREE_OPERANDS = re.compile(r"^(\w+)\s+([^,\s]+)\s*,\s*([^,\s]+)\s*,\s*(r\d+)$")

# What a column may say besides instructions. They use r3 to r5 and r31.
MACROS = f"""\
.macro hcall number a=0 b=0; li 3,\\number; li 4,\\a; li 5,\\b; sc 1; .endm
.macro cede; li 3,H_CEDE; sc 1; .endm
.macro prod id; li 3,H_PROD; li 4,\\id; sc 1; .endm
.macro ee on; li 31,-0x8000*\\on; mtmsrd 31,1; .endm
{"".join(f".set {row.name},{row.number:#x};" for row in HCALLS if row.number < 0x8000)}
"""
_MACRO_LINES = MACROS.count("\n")
# Lines whose words depend on where they lie, or on other lines: labels, directives, branches (but
# for those to `.+8`).
_NAMES_A_PLACE = re.compile(r"^(?!b\S*\s[^.]*\.[-+]\d+$)(?:b|\S*:|\.|\S+\s.*[.$:@])")
USES_MACRO = re.compile(r"^(?:hcall|cede|prod|ee)\b")


@dataclass(slots=True)
class Guest:
    """What a machine must be given to run the test.

    entries, ends: address of each thread's first instruction, and where its program is over.
    gpr: the 32 initial registers of each thread; lr holds the thread's end. words: every code
    word by address. memory: initial bytes by address. points: what each code word is to a
    search, by address. handlers: addresses of handler code. addresses: of the locations.
    """

    test: Litmus
    little: bool
    smt: int
    cold: bool
    policy: Policy
    core: int
    agents: list[tuple[Agent, int]]
    entries: list[int]
    ends: list[int]
    gpr: list[list[int]]
    ee: list[bool]
    sprg0: list[int] = field(default_factory=list)
    words: dict[int, int] = field(default_factory=dict)
    memory: dict[int, bytes] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)
    types: dict[Observable, CellType] = field(default_factory=dict)
    renamed: dict[Register, Register] = field(default_factory=dict)
    points: dict[int, Point] = field(default_factory=dict)
    handlers: list[int] = field(default_factory=list)

    @property
    def order(self) -> Endian:
        """The byte order, as int.to_bytes names it."""
        return "little" if self.little else "big"

    @property
    def kinds(self) -> set[PointKind]:
        """Every kind of point that the program holds."""
        return {point.kind for point in self.points.values()}

    @property
    def may_loop(self) -> bool:
        """Whether a thread may come to an instruction again."""
        return bool(self.handlers) or any(
            leads_back(word, address)
            for address, word in self.words.items()
            if address not in self.ends
        )

    def analysis(self) -> Analysis:
        """Work out what each thread may still touch from each instruction on."""
        entries = [Entry(e, tuple(g)) for e, g in zip(self.entries, self.gpr, strict=True)]
        return analyse(self.points, self.words, entries, self.handlers)

    def value(self, observable: Observable, raw: int) -> Value:
        """A word read from the machine, as it is shown: an address by its name."""
        if not isinstance(observable, Register | Location):
            return raw
        kind = self.types.get(observable, CellType.INT)
        if isinstance(observable, Location) and kind.nbytes == 4:
            return _signed(raw, 32) if kind.signed else raw
        name = self._names.get(raw) if raw >= CELLS else None
        if name is not None:
            return Address(name)
        if kind is CellType.INT and raw >> 32 in (0, 0xFFFFFFFF):
            return _signed(raw & 0xFFFFFFFF, 32)
        if kind is CellType.UINT32:
            return raw & 0xFFFFFFFF
        return _signed(raw, 64) if kind.signed else raw

    @property
    def _names(self) -> dict[int, str]:
        return {address: name for name, address in self.addresses.items()}


def _signed(value: int, nbits: int) -> int:
    return value - (1 << nbits) if value >> (nbits - 1) & 1 else value


def build(test: Litmus) -> Guest:
    """Assemble a test and lay it out.

    Its condition's numbers are brought into the form in which values of their type are shown.
    Raises LitmusError: a column does not assemble, or something does not fit.
    """
    return _Builder(test).build()


class _Builder:
    def __init__(self, test: Litmus) -> None:
        self.test = test
        self.problems: list[Problem] = []

    def build(self) -> Guest:
        test = self.test
        count = len(test.threads)
        little = self._header_word("Endian", ("big", "little"), "big") == "little"
        self._header_word("Livelock", ("judged", "allowed"), "judged")
        self._check_hosts()
        guest = Guest(
            test=test,
            little=little,
            smt=self._smt(count),
            cold=self._header_word("Start", ("warm", "cold"), "warm") == "cold",
            policy=self._policy(),
            core=self._core(),
            agents=self._agents(),
            entries=[CODE + t * CODE_STRIDE for t in range(count)],
            ends=[0] * count,
            gpr=[[0] * 32 for _ in range(count)],
            ee=self._ee(count),
        )
        self._place_locations(guest)
        end_addresses: set[int] = set()
        for thread, cells in enumerate(test.threads):
            words = self._assemble(
                self._renamed(guest, thread, cells), guest.entries[thread], little
            )
            self._put(guest, guest.entries[thread], words, CODE_STRIDE - 4)
            guest.ends[thread] = guest.entries[thread] + 4 * len(words)
            guest.words[guest.ends[thread]] = END_WORD
            end_addresses.add(guest.ends[thread])
        guest.handlers = self._place_handlers(guest)
        self._raise()
        self._set_registers(guest)
        points = {a: END if a in end_addresses else classify(w) for a, w in guest.words.items()}
        guest.points = around_handlers(points, guest.words, guest.handlers)
        self._set_types(guest)
        self._set_memory(guest)
        self._raise()
        _type_conditions(guest)
        return guest

    def _raise(self) -> None:
        if self.problems:
            raise LitmusError(self.test.path, self.test.text, self.problems)

    # ---- header ----

    def _header_word(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        word = self.test.header.get(key, default).lower()
        if word not in allowed:
            self._header_problem(key, f"{key} must be {' or '.join(allowed)}, got {word[:40]}")
            return default
        return word

    def _check_hosts(self) -> None:
        """A test must not run elsewhere than its author meant because of a slip."""
        named = [part.strip() for part in self.test.header.get("Hosts", "").split(",")]
        for name in named:
            if name and name not in HOSTS:
                known = ", ".join(HOSTS)
                self._header_problem("Hosts", f"a host is one of {known}, got {name[:40]}")

    def _header_problem(self, key: str, message: str) -> None:
        self.problems.append(header_problem(self.test.text, key, message))

    def _ee(self, count: int) -> list[bool]:
        """`EE=0,1`: MSR[EE] of each thread at the start; one value stands for all."""
        text = self.test.header.get("EE", "0")
        values = [part.strip() for part in text.split(",")]
        if any(v not in ("0", "1") for v in values) or len(values) not in (1, count):
            self._header_problem("EE", f"EE must be 0 or 1 for each of {count} threads, got {text}")
            return [False] * count
        return [v == "1" for v in (values * count if len(values) == 1 else values)]

    def _smt(self, count: int) -> int:
        text = self.test.header.get("SMT")
        mode = smt_mode(text, count)
        if mode is None:
            self._header_problem("SMT", f"SMT must be 1, 2, 4 or 8, got {str(text)[:40]}")
        return mode or 1

    def _policy(self) -> Policy:
        """`Policy=thread_assignment:first-come`: KVM's ways of another time (POWER7, POWER8)."""
        policy = Policy()
        for part in filter(None, self.test.header.get("Policy", "").split(",")):
            chosen = next((p for p in _policies(policy) if part.strip() == p[0]), None)
            if chosen is None:
                known = ", ".join(name for name, _ in _policies(policy))
                message = f"no such policy: {part.strip()[:40]}; there are {known}"
                self._header_problem("Policy", message)
            else:
                policy = chosen[1]
        return policy

    def _core(self) -> int:
        """`Core=1`: the core of the host that the VM begins on; those before it are idle."""
        text = self.test.header.get("Core", "0")
        if text not in map(str, range(MAX_CORE + 1)):
            self._header_problem("Core", f"Core must be 0 to {MAX_CORE}, got {text[:40]}")
            return 0
        return int(text)

    def _agents(self) -> list[tuple[Agent, int]]:
        """`Agent=signal:1,migrate`: what happens from outside."""
        found = []
        for part in filter(None, self.test.header.get("Agent", "").split(",")):
            try:
                found.append(parse_agent(part))
            except ConfigError as error:
                self._header_problem("Agent", str(error))
        return found

    # ---- places ----

    def _place_locations(self, guest: Guest) -> None:
        test = self.test
        names: dict[str, None] = dict.fromkeys(test.memory)
        values = [*test.registers.values(), *test.memory.values()]
        names.update(dict.fromkeys(v.name for v in values if isinstance(v, Address)))
        for condition in _conditions(test):
            for observable in observables(condition):
                if isinstance(observable, Location):
                    names[observable.name] = None
            names.update(dict.fromkeys(_addresses(condition)))
        names.update(dict.fromkeys(o.name for o in test.locations if isinstance(o, Location)))
        if len(names) > MAX_LOCATIONS:
            message = f"a test has at most {MAX_LOCATIONS} locations, got {len(names)}"
            self.problems.append(Problem(message, 0, 0))
        guest.addresses = {n: CELLS + i * CELL_STRIDE for i, n in enumerate(sorted(names))}

    def _put(self, guest: Guest, address: int, words: list[int], limit: int) -> None:
        if 4 * len(words) > limit:
            message = (
                f"code at {address:#x} has at most {limit // 4} instructions, got {len(words)}"
            )
            self.problems.append(Problem(message, 0, 0))
        guest.words.update({address + 4 * i: w for i, w in enumerate(words)})

    def _renamed(self, guest: Guest, thread: int, cells: list[Cell]) -> list[Cell]:
        """The cells with r0 called otherwise, if it is used as a base.

        herd reads any register there; Power reads 0 instead of r0. The two differ only if r0 is
        something else than 0.
        """
        r0 = Register(thread, "r0")
        written = any(_writes_r0(c.text) for c in cells)
        if not (written or self.test.registers.get(r0, 0) != 0):
            return cells
        if not any(_BASE_0.search(c.text) for c in cells):
            return cells
        text = " ".join(c.text for c in cells)
        free = next(f"r{n}" for n in range(30, 0, -1) if not re.search(rf"\br{n}\b", text))
        guest.renamed[r0] = Register(thread, free)
        return [c._replace(text=_REGISTER_0.sub(free, c.text)) for c in cells]

    def _place_handlers(self, guest: Guest) -> list[int]:
        """Put handlers at their vectors; returns the addresses of their instructions."""
        placed: list[int] = []
        threads = range(len(self.test.threads))
        for vector in dict.fromkeys(h.vector for h in self.test.handlers):
            of = [h for h in self.test.handlers if h.vector == vector]
            owners = [h.thread for h in of]
            if len(of) > 1 and (None in owners or len(set(owners)) < len(owners)):
                message = f"vector {vector:#x} has two handlers for one thread"
                self.problems.append(Problem(message, 0, 0))
                continue
            before = len(guest.words)
            if len(of) == 1 and of[0].thread is None:
                words = self._assemble(list(of[0].cells), vector, guest.little)
                self._put(guest, vector, words, HANDLER_BYTES)
            else:
                self._dispatch(guest, vector, {h.thread or 0: list(h.cells) for h in of}, threads)
            placed += [a for i, a in enumerate(guest.words) if i >= before]
        return placed

    def _dispatch(
        self, guest: Guest, vector: int, handlers: dict[int, list[Cell]], threads: Iterable[int]
    ) -> None:
        """Handlers that differ by thread: SPRG0 holds the thread's own, SPRG1 saves r31.

        CTR is used up, so such a test cannot use it. A thread without a handler returns at once.
        """
        source = "mtsprg 1,31\nmfsprg 31,0\nmtctr 31\nmfsprg 31,1\nbctr\n"
        words = list(_assembled(source, vector, guest.little))
        places: dict[int, int] = {}
        for thread in threads:
            places[thread] = vector + 4 * len(words)
            body = self._assemble(handlers.get(thread, []), places[thread], guest.little)
            words += body or list(_assembled("rfid\n", 0, guest.little))
        self._put(guest, vector, words, HANDLER_BYTES)
        guest.sprg0 = [places[t] for t in threads]

    # ---- code ----

    def _assemble(self, cells: list[Cell], address: int, little: bool) -> list[int]:
        lines = [gnu_syntax(cell.text) for cell in cells]
        if not any(map(_names_a_place, lines)):
            with suppress(AssemblyError):  # it is explained below
                return [word for line in lines for word in _line_words(line, little)]
        macros = any(USES_MACRO.match(line) for line in lines)
        source = (MACROS if macros else "") + "".join(f"{line}\n" for line in lines)
        try:
            return list(_assembled(source, address, little))
        except AssemblyError as error:
            self._explain(error, cells, _MACRO_LINES if macros else 0)
            return []

    def _explain(self, error: AssemblyError, cells: list[Cell], skipped: int) -> None:
        """The assembler's diagnostics, moved to where the cells stand in the test."""
        starts = [0]
        for line in self.test.text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)
        for diagnostic in error.diagnostics:
            if not isinstance(diagnostic, Diagnostic):
                continue
            number = diagnostic.span.line - 1 - skipped
            if not 0 <= number < len(cells):
                self.problems.append(Problem(diagnostic.message, 0, 0))
                continue
            cell = cells[number]
            at = starts[cell.line - 1] + cell.column - 1
            begin = at + diagnostic.span.column
            self.problems.append(
                Problem(
                    diagnostic.message,
                    begin,
                    begin + max(1, diagnostic.span.width),
                    diagnostic.label,
                    diagnostic.help,
                ),
            )

    # ---- values ----

    def _set_registers(self, guest: Guest) -> None:
        for register, value in self.test.registers.items():
            place = guest.renamed.get(register, register)
            if not place.name.startswith("r"):
                message = f"{register} cannot be given a value: only r0 to r31 can"
                self.problems.append(Problem(message, 0, 0))
                continue
            guest.gpr[place.thread][int(place.name[1:])] = self._number(guest, value)

    @staticmethod
    def _number(guest: Guest, value: int | Address | Doorbell) -> int:
        match value:
            case Address(name=name):
                return guest.addresses[name]
            case Doorbell():
                return value.image
            case _:
                return value & ((1 << 64) - 1)

    def _set_types(self, guest: Guest) -> None:
        wide = any(p.nbytes == 8 for p in guest.points.values())
        default = CellType.INT64 if wide else CellType.INT
        guest.types.update(self.test.types)
        for name in guest.addresses:
            guest.types.setdefault(Location(name), default)

    def _set_memory(self, guest: Guest) -> None:
        order = guest.order
        for name, value in self.test.memory.items():
            kind = guest.types[Location(name)]
            number = self._number(guest, value) & ((1 << 8 * kind.nbytes) - 1)
            guest.memory[guest.addresses[name]] = number.to_bytes(kind.nbytes, order)


def smt_mode(text: str | None, count: int) -> int | None:
    """What `SMT=2` says: threads of a virtual core; without it, all `count` share one.

    None if it is not 1, 2, 4 or 8.
    """
    if text is None:
        return next(n for n in (1, 2, 4, 8) if n >= count)
    return int(text) if text in ("1", "2", "4", "8") else None


def _policies(old: Policy) -> list[tuple[str, Policy]]:
    """Every choice by its name, with the policy that it makes of another."""
    return [
        *(
            (f"thread_assignment:{v}", replace(old, thread_assignment=v))
            for v in THREAD_ASSIGNMENTS
        ),
        *((f"entry_exit:{v}", replace(old, entry_exit=v)) for v in ENTRY_EXITS),
        *((f"run_when:{v}", replace(old, run_when=v)) for v in RUN_WHENS),
    ]


@lru_cache(maxsize=4096)
def _writes_r0(text: str) -> bool:
    return re.match(r"\w+\.?\s+r0\b", text) is not None


@lru_cache(maxsize=4096)
def _names_a_place(line: str) -> bool:
    return _NAMES_A_PLACE.search(line) is not None


@lru_cache(maxsize=4096)
def gnu_syntax(text: str) -> str:
    """One cell as GNU as reads it: `stw r6,0,r4` is `stw r6,0(r4)`."""
    match = _THREE_OPERANDS.match(text)
    if match:
        variant = VARIANTS.get(match.group(1))
        if variant and any(o.kind is Kind.DISPLACEMENT for o in variant.operands):
            return f"{match.group(1)} {match.group(2)},{match.group(3)}({match.group(4)})"
    return text


@lru_cache(maxsize=4096)
def _line_words(line: str, little: bool) -> tuple[int, ...]:
    """The words of a line that means the same everywhere; programs are made of the same lines."""
    macros = MACROS if USES_MACRO.match(line) else ""
    return _assembled(f"{macros}{line}\n", CODE, little)


@lru_cache(maxsize=4096)
def _assembled(source: str, address: int, little: bool) -> tuple[int, ...]:
    """The words of a column; columns repeat themselves from test to test."""
    order: Endian = "little" if little else "big"
    program = assemble(source, filename="<litmus>", endian=order, text_base=address)
    words: list[int] = []
    for segment in program.segments:
        data = segment.data
        words += [int.from_bytes(data[i : i + 4], order) for i in range(0, len(data), 4)]
    return tuple(words)


def _conditions(test: Litmus) -> Iterable[Condition]:
    yield test.condition
    if test.filter is not None:
        yield test.filter
    yield from (r.condition for r in test.requirements)
    yield from (p.condition for p in test.prohibitions)


def _addresses(condition: Condition) -> Iterable[str]:
    """The names of locations whose addresses a condition compares with."""
    match condition:
        case Equal(right=Address(name=name)):
            yield name
        case Not(of=of):
            yield from _addresses(of)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from _addresses(part)
        case Implies(left=left, right=right):
            yield from _addresses(left)
            yield from _addresses(right)
        case Truth() | Nonzero() | Equal():
            pass


def _type_conditions(guest: Guest) -> None:
    """Rewrite the numbers in conditions as values of their observable's type are shown."""
    test = guest.test
    test.condition = _typed(guest, test.condition)
    if test.filter is not None:
        test.filter = _typed(guest, test.filter)
    test.requirements = [
        replace(r, condition=_typed(guest, r.condition)) for r in test.requirements
    ]
    test.prohibitions = [
        replace(p, condition=_typed(guest, p.condition)) for p in test.prohibitions
    ]


def _typed(guest: Guest, condition: Condition) -> Condition:
    match condition:
        case Equal(left=left, right=int(number)):
            kind = guest.types.get(left, CellType.INT)
            wide = 8 if isinstance(left, Register) else kind.nbytes
            raw = number & ((1 << 8 * wide) - 1)
            return Equal(left, guest.value(left, raw))
        case Not(of=of):
            return Not(_typed(guest, of))
        case And(parts=parts):
            return And(tuple(_typed(guest, p) for p in parts))
        case Or(parts=parts):
            return Or(tuple(_typed(guest, p) for p in parts))
        case Implies(left=left_part, right=right_part):
            return Implies(_typed(guest, left_part), _typed(guest, right_part))
        case _:
            return condition
