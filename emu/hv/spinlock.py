"""Spinlocks of the host kernel."""

from __future__ import annotations

from emu.hv.ops import Await, CompareAndSet, HostCode, Write, zero


def spin_lock(lock: int) -> HostCode[None]:
    """Take a lock, waiting for it."""
    while not (yield CompareAndSet(lock, 0, 1)):
        yield Await(zero(lock))


def spin_unlock(lock: int) -> HostCode[None]:
    """Let a lock go."""
    yield Write(lock, 0)
