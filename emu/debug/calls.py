"""Calls and returns, as the instructions and the ABI have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import EmuError

if TYPE_CHECKING:
    from emu.debug.session import Session


def is_call(word: int) -> bool:
    """Whether an instruction is a branch that sets LR (b, bc, bclr, bcctr with LK)."""
    opcode = word >> 26
    branches = opcode in (16, 18) or (opcode == 19 and word >> 1 & 0x3FF in (16, 528, 560))
    return branches and bool(word & 1)


def is_return(word: int) -> bool:
    """Whether an instruction is blr."""
    return word & 0xFC0007FF == 0x4C000020


def return_address(session: Session) -> int:
    """Guess where the current function returns to; 0: it saved LR where nobody can know.

    LR has it at the first instruction and in a leaf; else it is where the ABI has it saved.
    """
    words, vcpu = session.host.words, session.vcpu
    lr: int = words[vcpu.arch.lr]
    here, inside, _ = session.names.label(session.nia()).partition("+")
    if not inside or here != session.names.label(lr).partition("+")[0]:
        return lr
    try:
        caller = session.names.memory(words[vcpu.gpr(1)], 8)
        saved = session.names.memory(caller + 16, 8)
    except EmuError:
        return 0
    return saved if saved % 4 == 0 else 0
