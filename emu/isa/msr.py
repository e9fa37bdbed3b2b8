"""Named bits of the registers whose bits have names: MSR, LPCR, FSCR, HFSCR, XER, SRR1 and others.

Bits are numbered as the book numbers them, 0 = most significant of 64, and 32-bit registers count
32..63. Masks are derived. Source: Power ISA v3.0B Book III at the register named, except where a
row says that it is an older name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .facilities import FACILITIES


@dataclass(frozen=True, slots=True)
class Field:
    """Bits first..last (MSB = 0) of a register, under the manual's name.

    `name` is a C identifier; `summary` says what a value of 1 (or the number) means.
    """

    register: str
    name: str
    first: int
    last: int
    summary: str

    @property
    def shift(self) -> int:
        """How far the field lies from the right edge."""
        return 63 - self.last

    @property
    def width(self) -> int:
        """Number of bits."""
        return self.last - self.first + 1

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return ((1 << self.width) - 1) << self.shift

    @property
    def where(self) -> str:
        """The bits as the book writes them: `48` or `39:40`."""
        return str(self.first) if self.first == self.last else f"{self.first}:{self.last}"


def _register(register: str, *rows: tuple[str, int | tuple[int, int], str]) -> tuple[Field, ...]:
    """Make the fields of one register from rows (name, bit or (first, last), summary)."""
    fields = []
    for name, where, summary in rows:
        first, last = where if isinstance(where, tuple) else (where, where)
        fields.append(Field(register, name, first, last, summary))
    return tuple(fields)


def _facility_fields(register: str) -> tuple[Field, ...]:
    """IC and one enabling bit for each facility that the register knows."""
    rows: list[tuple[str, int | tuple[int, int], str]] = [
        ("IC", (0, 7), "interruption code: the facility whose use interrupted")
    ]
    known = (row for row in reversed(FACILITIES) if (row.fscr if register == "FSCR" else row.hfscr))
    rows.extend((row.name, 63 - row.ic, f"available: {row.summary}") for row in known)
    return _register(register, *rows)


REGISTERS: Final[dict[str, tuple[Field, ...]]] = {
    "MSR": _register(
        "MSR",
        ("SF", 0, "64-bit mode"),
        ("HV", 3, "hypervisor state, unless PR"),
        ("TS", (29, 30), "transaction state: 0 none, 1 suspended, 2 transactional"),
        ("TM", 31, "transactional memory available"),
        ("VEC", 38, "vector available"),
        ("VSX", 40, "VSX available"),
        ("EE", 48, "external, decrementer and doorbell interrupts enabled"),
        ("PR", 49, "problem state"),
        ("FP", 50, "floating point available"),
        ("ME", 51, "machine check interrupts enabled"),
        ("FE0", 52, "floating-point exception mode"),
        ("SE", 53, "trace each instruction"),
        ("BE", 54, "trace each branch"),
        ("FE1", 55, "floating-point exception mode"),
        ("IR", 58, "instruction relocation"),
        ("DR", 59, "data relocation"),
        ("PMM", 61, "performance monitor mark"),
        ("RI", 62, "interrupts are recoverable"),
        ("LE", 63, "little-endian mode"),
    ),
    "LPCR": _register(
        "LPCR",
        ("VPM", (0, 1), "virtualized partition memory"),
        ("ISL", 2, "ignore SLB large page"),
        ("DPFD", (9, 11), "default prefetch depth"),
        ("PECE_HVEE", 17, "wake on hypervisor virtualization"),
        ("ILE", 38, "interrupts are taken in little-endian mode"),
        ("AIL", (39, 40), "alternate interrupt location: 3 = 0xC000000000004000 + vector"),
        ("UPRT", 41, "process table in use"),
        ("EVIRT", 42, "enhanced virtualization: illegal SPRs go to the hypervisor"),
        ("HR", 43, "host radix"),
        ("ONL", 45, "PURR and SPURR count"),
        ("LD", 46, "large decrementer"),
        ("PECEDP", 47, "wake on directed privileged doorbell"),
        ("PECEDH", 48, "wake on directed hypervisor doorbell"),
        ("PECE0", 49, "wake on external"),
        ("PECE1", 50, "wake on decrementer"),
        ("PECE2", 51, "wake on machine check, maintenance and the rest"),
        ("MER", 52, "mediated external exception request: a virtual external is pending"),
        ("GTSE", 53, "guest translation shootdown enable"),
        ("TC", 54, "translation control"),
        ("HEIC", 59, "hypervisor external interrupts disabled"),
        ("LPES0", 60, "external interrupts go to the guest"),
        ("LPES1", 61, "partition environment selector 1, ISA 2.06"),
        ("HVICE", 62, "hypervisor virtualization interrupts enabled"),
        ("HDICE", 63, "hypervisor decrementer interrupts enabled"),
    ),
    "FSCR": _facility_fields("FSCR"),
    "HFSCR": _facility_fields("HFSCR"),
    "XER": _register(
        "XER",
        ("SO", 32, "summary overflow"),
        ("OV", 33, "overflow"),
        ("CA", 34, "carry"),
        ("OV32", 44, "overflow of the low 32 bits"),
        ("CA32", 45, "carry of the low 32 bits"),
        ("LENGTH", (57, 63), "bytes that lswx and stswx move"),
    ),
    "SRR1": _register(
        "SRR1",
        ("NO_TRANSLATION", 33, "instruction storage: no translation found"),
        ("NO_EXECUTE", 35, "instruction storage: no-execute or guarded"),
        ("PROTECTION", 36, "instruction storage: access not permitted"),
        ("WAKE", (42, 45), "system reset: why the thread left power saving"),
        ("LOSS", (46, 47), "system reset: how much state power saving lost"),
        ("TM", 42, "program: TM bad thing"),
        ("FPENABLED", 43, "program: floating-point enabled exception"),
        ("ILL", 44, "program: illegal instruction"),
        ("PRIV", 45, "program: privileged instruction"),
        ("TRAP", 46, "program: trap"),
    ),
    "DSISR": _register(
        "DSISR",
        ("NO_TRANSLATION", 33, "no translation found"),
        ("PROTECTION", 36, "access not permitted"),
        ("ATTRIBUTE", 37, "the access does not suit the page's attributes"),
        ("STORE", 38, "the access was a store, or dcbz"),
        ("DAWR", 41, "data address watchpoint match"),
    ),
    "PSSCR": _register(
        "PSSCR",
        ("PLS", (0, 3), "power-saving level that was reached"),
        ("SD", 41, "status disable"),
        ("ESL", 42, "enable state loss"),
        ("EC", 43, "exit criterion: 1 = as LPCR's PECE bits say"),
        ("PSLL", (44, 47), "power-saving level limit"),
        ("TR", (54, 55), "transition rate"),
        ("MTL", (56, 59), "maximum transition level"),
        ("RL", (60, 63), "requested level"),
    ),
    "PPR": _register(
        "PPR",
        ("PRI", (11, 13), "priority: 1 very low ... 4 medium ... 7 very high"),
    ),
    "CTRL": _register(
        "CTRL",
        ("RUN", 63, "run latch"),
    ),
    "DBELL": _register(
        "DBELL",
        ("TYPE", (32, 36), "message type: 5 = directed doorbell"),
        ("PROCIDTAG", (44, 63), "msgsnd, ISA 3.0: PIR of the target"),
        ("TIRTAG", (57, 63), "msgsndp: thread number of the target in its sub-processor"),
    ),
}

DOORBELL_TYPE: Final = 5

# SRR1[42:45] after a wake from power saving.
WAKE_CODES: Final = {
    "HDOORBELL": 3,
    "RESET": 4,
    "DOORBELL": 5,
    "DECREMENTER": 6,
    "EXTERNAL": 8,
    "HVIRT": 9,
    "HMI": 10,
}

# What mtxer keeps: OV32 and CA32 included, bits 35:43 not, as POWER9 hardware does.
XER_MASK: Final = 0xE00FFFFF


def field(register: str, name: str) -> Field:
    """Return the field of this register; KeyError names both if there is none."""
    for row in REGISTERS[register]:
        if row.name == name:
            return row
    raise KeyError(f"{register}[{name}]")


def mask(register: str, *names: str) -> int:
    """Bits of all the named fields together."""
    value = 0
    for name in names:
        value |= field(register, name).mask
    return value


def describe(register: str, value: int) -> str:
    """Names of the fields that are not 0, as `SF EE ME` or `AIL=3 LD`; `0` if none is."""
    words = []
    for row in REGISTERS[register]:
        number = (value & row.mask) >> row.shift
        if number:
            words.append(row.name if row.width == 1 else f"{row.name}={number}")
    return " ".join(words) or "0"
