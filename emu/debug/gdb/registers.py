"""The registers that gdb sees: their numbers, types, and the description it reads (target.xml).

The core registers have the numbers that gdb has for them; SPRs and the hypervisor's view follow
from 128 and 200. Source: gdb's features `org.gnu.gdb.power.core` and `.fpu`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emu.isa.msr import REGISTERS
from emu.isa.sprs import SPRS, Spr

if TYPE_CHECKING:
    from collections.abc import Sequence

PC: Final = 64
R1: Final = 1
FIRST_SPR: Final = 128
FIRST_HYP: Final = 200
STATES: Final = ("RUNNING", "RUNNABLE", "CEDED", "HOST", "STOPPED")


@dataclass(frozen=True, slots=True)
class Register:
    """One register. name: gdb's; reads: the debugger's name, "" = never available."""

    number: int
    name: str
    bits: int
    type: str
    feature: str
    reads: str
    group: str = ""


def _core() -> list[Register]:
    feature = "org.gnu.gdb.power.core"
    rows = [Register(i, f"r{i}", 64, "uint64", feature, f"r{i}") for i in range(32)]
    rows += [
        Register(64, "pc", 64, "code_ptr", feature, "nia"),
        Register(65, "msr", 64, "msr_t", feature, "msr"),
        Register(66, "cr", 32, "uint32", feature, "cr"),
        Register(67, "lr", 64, "code_ptr", feature, "lr"),
        Register(68, "ctr", 64, "uint64", feature, "ctr"),
        Register(69, "xer", 64, "uint64", feature, "xer"),
    ]
    # gdb's `finish` needs to see a floating-point unit; this machine has none to read.
    feature = "org.gnu.gdb.power.fpu"
    rows += [Register(32 + i, f"f{i}", 64, "ieee_double", feature, "") for i in range(32)]
    rows.append(Register(70, "fpscr", 64, "uint64", feature, ""))
    return sorted(rows, key=lambda row: row.number)


def _sprs(generation: int) -> list[Register]:
    names: dict[str, Spr] = {}
    for spr in SPRS:
        if spr.exists_on(generation) and spr.home.startswith("vcpu."):
            names.setdefault(spr.name, spr)
    for taken in ("xer", "lr", "ctr"):
        names.pop(taken, None)
    feature = "org.emu.spr"
    rows = []
    for spr in names.values():
        kind = "code_ptr" if spr.name in ("srr0", "hsrr0") else f"uint{spr.width}"
        if spr.name in ("srr1", "fscr"):
            kind = "msr_t" if spr.name == "srr1" else "fscr_t"
        rows.append((spr.name, spr.width, kind, "spr", spr.name))
    rows += [
        ("dec", 64, "int64", "spr", "dec"),
        ("hfscr", 64, "hfscr_t", "spr", "hfscr"),
        ("lpcr", 64, "lpcr_t", "spr", "lpcr"),
        ("tir", 64, "uint64", "doorbell", "tir"),
        ("dpdes", 64, "dpdes_t", "doorbell", "dpdes"),
    ]
    return [
        Register(FIRST_SPR + i, name, bits, kind, feature, reads, group)
        for i, (name, bits, kind, group, reads) in enumerate(rows)
    ]


def _hypervisor(first: int) -> list[Register]:
    rows = [
        ("vstate", 32, "vstate_t", ""),
        ("doorbell_request", 64, "uint64", "doorbell_request"),
        ("ceded", 64, "uint64", "ceded"),
        ("prodded", 64, "uint64", "prodded"),
        ("pending_exceptions", 64, "uint64", "pending_exceptions"),
        ("icount", 64, "uint64", "ic"),
        ("tb_host", 64, "uint64", "tb"),
    ]
    return [
        Register(first + i, name, bits, kind, "org.emu.hyp", reads, "hyp")
        for i, (name, bits, kind, reads) in enumerate(rows)
    ]


def registers_of(generation: int) -> tuple[Register, ...]:
    """Every register, in the order of `g`."""
    sprs = _sprs(generation)
    return (*_core(), *sprs, *_hypervisor(max(FIRST_HYP, sprs[-1].number + 1)))


def target_xml(registers: Sequence[Register]) -> bytes:
    """Describe the registers to gdb."""
    features: dict[str, list[str]] = {}
    for row in registers:
        group = f' group="{row.group}"' if row.group else ""
        features.setdefault(row.feature, []).append(
            f'<reg name="{row.name}" bitsize="{row.bits}" type="{row.type}" '
            f'regnum="{row.number}"{group}/>'
        )
    types = {
        "org.gnu.gdb.power.core": [_flags("msr_t", "MSR")],
        "org.emu.spr": [
            _flags("msr_t", "MSR"),
            _flags("fscr_t", "FSCR"),
            _flags("hfscr_t", "HFSCR"),
            _flags("lpcr_t", "LPCR"),
            '<flags id="dpdes_t" size="8">'
            + "".join(f'<field name="T{i}" start="{i}" end="{i}"/>' for i in range(8))
            + "</flags>",
        ],
        "org.emu.hyp": [
            '<enum id="vstate_t" size="4">'
            + "".join(f'<evalue name="{name}" value="{i}"/>' for i, name in enumerate(STATES))
            + "</enum>"
        ],
    }
    body = "".join(
        f'<feature name="{name}">{"".join(types.get(name, []))}{"".join(rows)}</feature>'
        for name, rows in features.items()
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
        f"<architecture>powerpc:common64</architecture>{body}</target>"
    ).encode("ascii")


def _flags(name: str, register: str) -> str:
    fields = sorted(REGISTERS[register], key=lambda row: row.shift)
    rows = "".join(
        f'<field name="{row.name}" start="{row.shift}" end="{row.shift + row.width - 1}"/>'
        for row in fields
        if row.width == 1  # a wider one would be printed even when it is 0
    )
    return f'<flags id="{name}" size="8">{rows}</flags>'
