"""Commands that change the machine by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from emu.debug import injecting
from emu.debug.commands.stopping import vectors
from emu.debug.commands.table import CommandError, command
from emu.debug.migrating import migrate
from emu.debug.names import ALIASES
from emu.debug.registers import set_register

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


CHANGING: Final = "changing"


@command("set", "REGISTER = VALUE | {8} ADDRESS = VALUE", "change a register, field or memory",
         group=CHANGING)  # fmt: skip
def _set(it: Interpreter, text: str) -> None:
    target, equals, value = text.removeprefix("var ").partition("=")
    target = target.strip()
    if not equals or not target:
        raise CommandError(f"set takes NAME = VALUE, got {text!r}")
    number = it.session.evaluate(value)
    match = re.fullmatch(r"(?:\{([1248])\}|\*|u(8|16|32|64))\s*(.+)", target)
    if match is None:
        name = ALIASES.get(target.lstrip("$"), target)
        set_register(it.session, it.session.vcpu, name, number)
        return
    nbytes = int(match[1] or 0) or int(match[2] or 64) // 8
    it.session.store(it.session.evaluate(match[3]), number, nbytes)


@command("doorbell", "[vN]", "make a privileged doorbell pending for a vcpu", group=CHANGING)
def _doorbell(it: Interpreter, text: str) -> None:
    injecting.doorbell(it.session, it.vcpu(text))


@command("preempt", "[vN]", "let the time slice of the cpu that a vcpu runs on end now",
         group=CHANGING)  # fmt: skip
def _preempt(it: Interpreter, text: str) -> None:
    injecting.preempt(it.session, it.vcpu(text))


@command("exc", "[vN] VECTOR", "make a vcpu's guest take an interrupt", group=CHANGING)
def _exc(it: Interpreter, text: str) -> None:
    parts = text.split()
    if not 1 <= len(parts) <= 2:
        raise CommandError(f"exc takes an interrupt's name or vector, got {text!r}")
    vcpu = it.vcpu(parts[0] if len(parts) > 1 else "")
    found = vectors(it, parts[-1])
    injecting.interrupt(it.session, vcpu, found[0])


@command("migrate", "", "save the VM and restore it in its place, with all that is pending",
         group=CHANGING)  # fmt: skip
def _migrate(it: Interpreter, _: str) -> None:
    before = it.session.position
    migrate(it.session)
    it.say(f"saved and restored: @{before} to @{it.session.position}")
