"""Branches and condition register logic (Power ISA v3.0B Book I chapter 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.isa.bits import sign_extend

from .model import M64, Instruction, Machine, semantics

if TYPE_CHECKING:
    from collections.abc import Callable


def _link(m: Machine, i: Instruction) -> None:
    if i.variant.lk:
        m.lr = m.cia + 4 & M64 if m.sf else m.cia + 4 & 0xFFFFFFFF


def _taken(m: Machine, i: Instruction) -> bool:
    """Count CTR down if BO says so, and tell whether both conditions hold."""
    bo = i("BO")
    ctr_ok = True
    if not bo & 4:
        m.ctr = m.ctr - 1 & M64
        ctr_ok = (m.ctr & ((1 << m.bits) - 1) != 0) != bool(bo & 2)
    cr_ok = bool(bo & 16) or m.cr_bit(i("BI")) == (bo >> 3 & 1)
    return ctr_ok and cr_ok


@semantics("b")
def _b(m: Machine, i: Instruction) -> None:
    distance = sign_extend(i("LI") << 2, 26)
    m.nia = (distance if i.variant.aa else m.cia + distance) & M64
    _link(m, i)


@semantics("bc")
def _bc(m: Machine, i: Instruction) -> None:
    distance = sign_extend(i("BD") << 2, 16)
    if _taken(m, i):
        m.nia = (distance if i.variant.aa else m.cia + distance) & M64
    _link(m, i)


@semantics("bclr")
def _bclr(m: Machine, i: Instruction) -> None:
    target = m.lr & ~3
    if _taken(m, i):
        m.nia = target
    _link(m, i)


@semantics("bcctr")
def _bcctr(m: Machine, i: Instruction) -> None:
    if _taken(m, i):
        m.nia = m.ctr & ~3
    _link(m, i)


@semantics("bctar")
def _bctar(m: Machine, i: Instruction) -> None:
    if _taken(m, i):
        m.nia = m.tar & ~3
    _link(m, i)


def _logical(name: str, operation: Callable[[int, int], int]) -> None:
    def run(m: Machine, i: Instruction) -> None:
        m.set_cr_bit(i("BT"), operation(m.cr_bit(i("BA")), m.cr_bit(i("BB"))) & 1)

    semantics(name)(run)


_logical("crand", lambda a, b: a & b)
_logical("cror", lambda a, b: a | b)
_logical("crxor", lambda a, b: a ^ b)
_logical("crnand", lambda a, b: ~(a & b))
_logical("crnor", lambda a, b: ~(a | b))
_logical("creqv", lambda a, b: ~(a ^ b))
_logical("crandc", lambda a, b: a & ~b)
_logical("crorc", lambda a, b: a | ~b)


@semantics("mcrf")
def _mcrf(m: Machine, i: Instruction) -> None:
    m.set_cr_field(i("BF"), m.cr_field(i("BFA")))
