"""Registers set by hand, and what a vcpu is doing, in one word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.debug.doorbells import changed
from emu.errors import ConfigError

if TYPE_CHECKING:
    from emu.debug.session import Session
    from emu.hv.kvm import Vcpu

WORD = (1 << 64) - 1


def set_register(session: Session, vcpu: Vcpu, name: str, value: int) -> None:
    """Give a register or field a value, as an edit. Raises ConfigError for what cannot be set.

    name: as in expressions, `v1.` in front of it or not; a field of a register too (`msr.ee`).
    """
    names, words = session.names, session.host.words
    current, names.vcpu = names.vcpu, vcpu.index
    try:
        place = names.find(name)
    finally:
        names.vcpu = current
    if place is None:
        raise ConfigError(f"no register or field is called {name!r}")
    text = f"{name} = {value:#x}"
    if place.computed is None:
        mask = (1 << place.width) - 1
        if not 0 <= value <= mask:
            raise ConfigError(f"{name} has {place.width} bits, got {value:#x}")
        kept = words[place.ref] & ~(mask << place.shift) & WORD
        session.change(text, {place.ref: kept | value << place.shift})
    elif name.endswith("dpdes"):
        session.change(text, changed(session.host, vcpu, value))
    elif name.endswith("dec"):
        tb = words[session.host.machine.ref("machine", 0, "tb")]
        expires = value + 1 + tb + vcpu.kvm.tb_offset & WORD
        session.change(text, {vcpu.arch.dec_expires: expires, vcpu.arch.dec_armed: 1})
    else:
        raise ConfigError(f"{name} cannot be set")


def vcpu_state(session: Session, vcpu: Vcpu) -> str:
    """Say what a vcpu is doing: running, runnable, ceded, host or stopped."""
    host = session.host
    if session.at_end:
        return "stopped"
    if host.words[vcpu.ceded]:
        return "ceded"
    if not session.in_guest(vcpu):
        return "host"
    turn = host.engine.turn(host.machine)
    mine = turn is not None and host.engine.guest(host.machine, turn) == vcpu.index
    return "running" if mine else "runnable"
