"""Commands that change the machine by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from emu.debug.commands.stopping import vectors
from emu.debug.commands.table import CommandError, command
from emu.debug.names import ALIASES, WORD
from emu.debug.registers import set_register

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter
    from emu.debug.session import Session
    from emu.hv.kvm import Vcpu


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
    vcpu, session = it.vcpu(text), it.session
    places = session.names.pending_doorbells(vcpu)
    ref, bits = next(iter(v for k, v in places.items() if k == vcpu.vcpu_id % len(places)))[-1]
    words = {ref: session.host.words[ref] | (1 if bits == WORD else bits)}
    words |= _kick(session, vcpu)
    session.change(f"doorbell {vcpu.name}", words)


def _kick(session: Session, vcpu: Vcpu) -> dict[int, int]:
    """Wake a vcpu's task, or pull its guest out, as the hypervisor's own kick does."""
    words = {vcpu.vcore.awake: 1}
    for cpu in session.host.cpus:
        if session.host.words[cpu.thread.vcpu] == 1 + vcpu.index and session.in_guest(vcpu):
            words[cpu.thread.hdoorbell] = 1
    return words


@command("preempt", "[vN]", "make the host want the cpu that a vcpu runs on", group=CHANGING)
def _preempt(it: Interpreter, text: str) -> None:
    vcpu = it.vcpu(text)
    words = {vcpu.request_exit: 1} | _kick(it.session, vcpu)
    it.session.change(f"preempt {vcpu.name}", words)


@command("exc", "[vN] VECTOR", "make a vcpu's guest take an interrupt", group=CHANGING)
def _exc(it: Interpreter, text: str) -> None:
    parts = text.split()
    vcpu = it.vcpu(parts[0] if len(parts) > 1 else "")
    vector = vectors(it, parts[-1] if parts else "0x100")[0]
    session = it.session
    host = session.host
    thread = next((cpu.number for cpu in host.cpus
                   if host.words[cpu.thread.vcpu] == 1 + vcpu.index), None)  # fmt: skip
    if thread is None or not session.in_guest(vcpu):
        raise CommandError(f"{vcpu.name} is not in its guest now")
    before = host.words.tolist()
    if not host.machine.interrupt(thread, vector):
        raise CommandError(f"the guest has no code at vector {vector:#x}")
    after = host.words.tolist()
    changed = {i: after[i] for i in range(len(after)) if after[i] != before[i]}
    for ref in changed:
        host.words[ref] = before[ref]
    session.change(f"interrupt {vector:#x} of {vcpu.name}", changed)
