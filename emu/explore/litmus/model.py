"""A litmus test as data: what `parse` builds, and what everything after it reads.

Knows nothing of text layout, guest memory or the search.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.asm import Diagnostic

HOSTS = ("power7", "power8", "power9")


# ---- what a condition can look at ----------------------------------------------------------


class Register(NamedTuple):
    """A register of one thread: `0:r5`, `1:lr`."""

    thread: int
    name: str

    def __str__(self) -> str:
        return f"{self.thread}:{self.name}"


class Location(NamedTuple):
    """A cell of shared memory, by its name: `[x]`."""

    name: str

    def __str__(self) -> str:
        return f"[{self.name}]"


class GhostKind(enum.StrEnum):
    """What the machine knows about a thread that the guest itself cannot read."""

    TAKEN = "taken"  # doorbell interrupts taken so far
    PEND = "pend"  # a doorbell is pending, wherever the hypervisor keeps it: 0 or 1
    BLOCKED = "blocked"  # ceded, and nothing that could end the cede is on its way: 0 or 1
    LOST = "lost"  # blocked although a doorbell, prod or interrupt is pending for it: 0 or 1
    TRAP = "trap"  # exits to the hypervisor, or interrupts, by the vector given

    __hash__ = str.__hash__  # in C; an enumeration's own is not


class Ghost(NamedTuple):
    """`taken(1)`, `pend(0)`, `trap(0,0xf80)`."""

    kind: GhostKind
    thread: int
    vector: int = 0

    def __str__(self) -> str:
        where = f"{self.thread},{self.vector:#x}" if self.vector else f"{self.thread}"
        return f"{self.kind}({where})"


Observable: TypeAlias = Register | Location | Ghost


@dataclass(frozen=True, slots=True)
class Address:
    """A value that is the address of a cell."""

    name: str

    def __str__(self) -> str:
        return self.name


Value: TypeAlias = int | Address


# ---- conditions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Equal:
    """`observable = value`."""

    left: Observable
    right: Value

    def __str__(self) -> str:
        return f"{self.left}={self.right}"


@dataclass(frozen=True, slots=True)
class Nonzero:
    """A ghost that stands alone: `lost(0)`."""

    left: Ghost

    def __str__(self) -> str:
        return str(self.left)


@dataclass(frozen=True, slots=True)
class Not:
    """`not (c)`."""

    of: Condition

    def __str__(self) -> str:
        return f"not ({self.of})"


@dataclass(frozen=True, slots=True)
class And:
    r"""`a /\ b /\ c`: at least two parts."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " /\\ ".join(f"({p})" if isinstance(p, Or | Implies) else str(p) for p in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    r"""`a \/ b \/ c`: at least two parts."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " \\/ ".join(f"({p})" if isinstance(p, Implies) else str(p) for p in self.parts)


@dataclass(frozen=True, slots=True)
class Implies:
    """`a => b`."""

    left: Condition
    right: Condition

    def __str__(self) -> str:
        left = f"({self.left})" if isinstance(self.left, Implies) else str(self.left)
        return f"{left} => {self.right}"


Condition: TypeAlias = Truth | Equal | Nonzero | Not | And | Or | Implies


def observables(condition: Condition) -> Iterator[Observable]:
    """Every observable a condition names, in reading order, repeated as often as it is named."""
    match condition:
        case Equal(left=left) | Nonzero(left=left):
            yield left
        case Not(of=of):
            yield from observables(of)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from observables(part)
        case Implies(left=left_part, right=right_part):
            yield from observables(left_part)
            yield from observables(right_part)
        case Truth():
            pass


class Quantifier(enum.StrEnum):
    """How the final condition is read over the end states."""

    EXISTS = "exists"
    NOT_EXISTS = "~exists"
    FORALL = "forall"


# ---- expectations: the doorbell extension --------------------------------------------------


class Verdict(enum.StrEnum):
    """What `expect HOST` says of the final condition."""

    ALLOWED = "allowed"  # some end state meets it
    FORBIDDEN = "forbidden"  # none does
    ALWAYS = "always"  # all do, and there is one


@dataclass(frozen=True, slots=True)
class Expectation:
    """`expect power9 allowed deviation=NAME`."""

    host: str
    verdict: Verdict
    deviation: str | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """`require power8,power9 (c)`: some end state must meet c on each of these hosts."""

    hosts: tuple[str, ...]
    condition: Condition


@dataclass(frozen=True, slots=True)
class Prohibition:
    """`never c`: no state on the way, not only at the end, may meet c."""

    hosts: tuple[str, ...]
    condition: Condition


# ---- the program ---------------------------------------------------------------------------


class Cell(NamedTuple):
    """One instruction or label as it stands in a column, and where (both count from 1)."""

    text: str
    line: int
    column: int


class CellType(enum.Enum):
    """Type of a register or location: how its value is shown and, for a cell, how wide it is."""

    INT = ("int", 4, True)
    UINT32 = ("uint32_t", 4, False)
    INT64 = ("int64_t", 8, True)
    UINT64 = ("uint64_t", 8, False)
    POINTER = ("pointer", 8, False)

    def __init__(self, spelling: str, nbytes: int, signed: bool) -> None:
        self.spelling = spelling
        self.nbytes = nbytes
        self.signed = signed


class Handler(NamedTuple):
    """What a thread, or every thread, does in an interrupt."""

    vector: int
    thread: int | None
    cells: tuple[Cell, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Doorbell:
    """`db(t)`: the register image of a doorbell message for thread t."""

    target: int

    @property
    def image(self) -> int:
        """(RB)32:36 = 5, a doorbell; (RB)57:63 = the target (Power ISA v3.0B Book III ch. 11)."""
        return 5 << 27 | self.target


Initial: TypeAlias = int | Address | Doorbell


@dataclass(slots=True)
class Litmus:
    """A whole test. warnings: what its author may have meant otherwise."""

    name: str
    path: str
    text: str = ""
    title: str = ""
    header: dict[str, str] = field(default_factory=dict)
    registers: dict[Register, Initial] = field(default_factory=dict)
    memory: dict[str, int | Address] = field(default_factory=dict)
    types: dict[Observable, CellType] = field(default_factory=dict)
    threads: list[list[Cell]] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    locations: list[Observable] = field(default_factory=list)
    filter: Condition | None = None
    quantifier: Quantifier = Quantifier.EXISTS
    condition: Condition = Truth(value=True)
    expectations: list[Expectation] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    prohibitions: list[Prohibition] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)

    @property
    def named(self) -> set[Observable]:
        """The observables that make up an outcome."""
        named: set[Observable] = set(self.locations)
        named.update(observables(self.condition))
        for requirement in self.requirements:
            named.update(observables(requirement.condition))
        return named

    @property
    def shown(self) -> list[Observable]:
        """The same in herd's order: registers, memory, ghosts."""
        kinds: tuple[type, ...] = (Register, Location, Ghost)
        return sorted(self.named, key=lambda o: (kinds.index(type(o)), _order(o)))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it is written for (`Hosts=power8,power9`), or none if it does not say."""
        named = (part.strip() for part in self.header.get("Hosts", "").split(","))
        return tuple(host for host in named if host in HOSTS)

    @property
    def watched(self) -> list[Observable]:
        """What is shown, and behind it what only prohibitions name."""
        shown = self.shown
        named = {o for p in self.prohibitions for o in observables(p.condition)}
        return [*shown, *sorted(named.difference(shown), key=str)]


def _order(o: Observable) -> tuple[int, int, str]:
    """Registers by thread and number, so that r10 follows r9; cells by name."""
    match o:
        case Register(thread=thread, name=name):
            number = name[1:] if name.startswith("r") else ""
            return (thread, int(number) if number.isdigit() else 99, name)
        case Location(name=name):
            return (0, 0, name)
        case Ghost(kind=kind, thread=thread, vector=vector):
            return (thread, vector, kind)
