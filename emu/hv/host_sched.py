"""The host's scheduler: tasks of vcpus take turns on the cpus they share.

A task stays on the cpu it was given (its affinity). While it runs it owns the cpu; it gives it up
when it waits, and at the end of its time slice if others wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.ops import (
    Await,
    Check,
    CompareAndSet,
    HostCode,
    Relax,
    Sum,
    Trace,
    Write,
    nonzero,
    zero,
)

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu

NEVER: Final = (1 << 64) - 1
BELOW_ZERO: Final = 1 << 63


def set_deadline(ref: int, source: int, addend: int) -> HostCode[None]:
    """Set a word to the host timebase `addend` ticks after the one in another word.

    Deadlines are compared as unsigned numbers. One that lies before timebase 0, such as that of a
    decrementer to which the guest wrote a large negative value, is 0: it has passed.
    """
    yield Sum(ref, source, addend)
    if (yield Check(nonzero(ref, BELOW_ZERO))):
        yield Write(ref, 0)


def sched_in(vcpu: Vcpu) -> HostCode[None]:
    """Wait for the vcpu's cpu and take it."""
    cpu = vcpu.pcpu
    while not (yield CompareAndSet(cpu.running, 0, 1 + vcpu.index)):
        yield Await(zero(cpu.running))
    # The time slice begins here, and not at each entry: who exits often must not stay for ever.
    if cpu.timeslice:
        yield Sum(cpu.thread.hdec_expires, cpu.timebase, cpu.timeslice)
    else:
        yield Write(cpu.thread.hdec_expires, NEVER)


def sched_out(vcpu: Vcpu) -> HostCode[None]:
    """Give the cpu up."""
    yield Write(vcpu.pcpu.running, 0)


def resched(vcpu: Vcpu) -> HostCode[None]:
    """Let the other tasks of this cpu have their turn."""
    yield Trace(Event.PREEMPTED, vcpu.index)
    yield from sched_out(vcpu)
    yield Relax()
    yield from sched_in(vcpu)
