"""gdb's threads are vcpus, numbered from 1: their ids in packets, and the list that gdb shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from emu.debug.doorbells import virtual_thread
from emu.debug.gdb.packets import number
from emu.debug.registers import vcpu_state

if TYPE_CHECKING:
    from emu.debug.session import Session

ANY = (b"0", b"-1")


def vcpu_of(session: Session, text: bytes) -> int | None:
    """Return the vcpu of a thread id (`2`, `p1.2`); None if there is none. Raises PacketError."""
    index = number(_thread(text, b"1")) - 1
    return index if 0 <= index < len(session.host.vcpus) else None


def is_any(text: bytes) -> bool:
    """Whether a thread id means any thread, or all of them."""
    return _thread(text, b"0") in ANY


def _thread(text: bytes, default: bytes) -> bytes:
    """A thread id without the process, of which there is one: `p1.2` is `2`, `p1` the default."""
    if not text.startswith(b"p"):
        return text
    _, dot, thread = text.partition(b".")
    return thread if dot else default


def state_text(session: Session, index: int) -> str:
    """Say what a vcpu does, and which thread of its core it is."""
    vcpu = session.host.vcpus[index]
    return f"{vcpu_state(session, vcpu)} TIR={virtual_thread(vcpu)[1]}"


def thread_list(session: Session) -> bytes:
    """All vcpus, as XML: id, virtual core, name, state."""
    rows = []
    for vcpu in session.host.vcpus:
        core, tir = virtual_thread(vcpu)
        name = quoteattr(f"vcore{core}.t{tir}")
        text = state_text(session, vcpu.index)
        rows.append(f'<thread id="{vcpu.index + 1:x}" core="{core}" name={name}>{text}</thread>')
    return _xml(rows)


def no_threads() -> bytes:
    """The list when there is no guest any more."""
    return _xml([])


def _xml(rows: list[str]) -> bytes:
    return f'<?xml version="1.0"?><threads>{"".join(rows)}</threads>'.encode("ascii")
