"""Registers by name, as `--show` and `--expect` take them: `r3`, `v1.r3`, `v0.srr0==0x1000`.

Knows nothing of command lines.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.errors import ConfigError
from emu.hv.guest_spr import READERS
from emu.hv.one_reg import ONE_REGS
from emu.isa.sprs import SPRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.hv.vm import Vm

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
REGISTER = r"(?:v(?P<vcpu>[0-9]{1,9})\.)?(?P<name>[a-z_][a-z0-9_]*)"
MAX_DIGITS = 70  # of a number; more is a slip of the finger, and slow to convert
EXPECTATION = rf"\s*{REGISTER}\s*(?P<comparison>[=!<>]=|<|>)\s*(?P<value>[-+]?[0-9a-fA-FxXoO_]+)\s*"

# Where a name lives in a vcpu's window of the state (csrc/emu.abi.h).
FIELDS = (
    {name: name for name in ("nia", "msr", "cr", "xer", "lr", "ctr")}
    | {spr.name: spr.home.removeprefix("vcpu.") for spr in SPRS if spr.home.startswith("vcpu.")}
    | {row.name.lower(): row.field for row in ONE_REGS if row.field}
)


@dataclass(frozen=True, slots=True)
class Register:
    """One register of one vcpu. vcpu: its position in the machine, from 0."""

    vcpu: int
    name: str

    def read(self, vm: Vm) -> int:
        """Its 64-bit value."""
        if self.name in READERS:
            return READERS[self.name](vm.host, vm.vcpus[self.vcpu])
        return vm.host.words[self.ref(vm)]

    def ref(self, vm: Vm) -> int:
        """The word of the machine's state that holds it.

        Raises ConfigError for a register that is no word of its own.
        """
        vcpu = vm.vcpus[self.vcpu]
        if self.name in READERS:
            raise ConfigError(f"an outcome is made of registers with a word each, got {self.name}")
        if re.fullmatch(r"r[0-9]+", self.name):
            return vcpu.gpr(int(self.name[1:]))
        ref: int = getattr(vcpu.arch, FIELDS[self.name])
        return ref

    def __str__(self) -> str:
        return f"v{self.vcpu}.{self.name}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold of a register when the run has ended; both sides are unsigned."""

    text: str
    register: Register
    comparison: str
    value: int

    def failure(self, vm: Vm) -> str | None:
        """What to say if it does not hold; None if it does."""
        return self.failure_of(self.register.read(vm))

    def failure_of(self, found: int) -> str | None:
        """Say the same of a value of the register."""
        if COMPARISONS[self.comparison](found, self.value):
            return None
        return f"expected {self.text}, found {found:#x}"


def shown_registers(texts: str, nvcpus: int) -> list[Register]:
    """The registers of a list such as `r3,v1.lr`: of every vcpu where it does not say vN.

    Raises ConfigError.
    """
    found = []
    for text in texts.split(","):
        match = re.fullmatch(REGISTER, text.strip().lower())
        if match is None:
            raise ConfigError(f"a register is like r3 or v1.srr0, got {text!r}")
        first = _register(match, nvcpus)
        every = range(nvcpus) if match["vcpu"] is None else [first.vcpu]
        found += [Register(vcpu, first.name) for vcpu in every]
    return found


def expectation(text: str, nvcpus: int) -> Expectation:
    """The expectation that `text` writes.

    Raises ConfigError.
    """
    match = re.fullmatch(EXPECTATION, text, re.IGNORECASE)
    if match is None:
        raise ConfigError(f"an expectation is like v1.r3==5, got {text!r}")
    value = _number(match["value"])
    if value is None:
        raise ConfigError(f"{match['value']!r} is no 64-bit number, in {text!r}")
    return Expectation(text, _register(match, nvcpus), match["comparison"], value)


def _number(text: str) -> int | None:
    """The 64-bit value that a text writes, perhaps with a sign; None if it does not."""
    if len(text) > MAX_DIGITS:
        return None
    try:
        number = int(text, 0)
    except ValueError:
        return None
    return number & (1 << 64) - 1 if -(1 << 64) < number < 1 << 64 else None


def _register(match: re.Match[str], nvcpus: int) -> Register:
    """Check that the machine has what was named."""
    register = Register(int(match["vcpu"] or 0), match["name"].lower())
    if register.vcpu >= nvcpus:
        raise ConfigError(f"vcpu must be below {nvcpus}, the number of vcpus, got {register.vcpu}")
    is_gpr = re.fullmatch(r"r[0-9]|r[12][0-9]|r3[01]", register.name)
    if not is_gpr and register.name not in FIELDS and register.name not in READERS:
        raise ConfigError(
            f"a register is r0 to r31, nia, msr, cr, xer, lr, ctr or an SPR of the vcpu, "
            f"got {register.name!r}"
        )
    return register
