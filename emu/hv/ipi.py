"""How host cpus reach each other: interrupt masking, cross-calls, and kicks out of the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.event import Event
from emu.hv.ops import Await, Clear, HostCode, Or, Read, Relax, Trace, Write, zero

if TYPE_CHECKING:
    from emu.hv.kvm import HostThread, Vcpu


def local_irq_disable(cpu: HostThread) -> HostCode[None]:
    """Stop taking interrupts; what was sent until now has been taken.

    A doorbell that comes between these steps stays pending, and costs one needless exit. Calls are
    answered after it was cleared: a caller asks first and rings afterwards, so a call that is
    not seen here rings later, and one that rang before is not forgotten.
    """
    yield Write(cpu.thread.hdoorbell, 0)
    if (yield Read(cpu.calls, limit=1)):
        yield Write(cpu.calls, 0)
    yield Write(cpu.irqs_off, 1)


def local_irq_enable(cpu: HostThread) -> HostCode[None]:
    """Take interrupts again: IPI callbacks that waited run here.

    The caller spins until its call is answered, so it sees the answer long before this task is
    back in the guest; in a plain run the others therefore go first.
    """
    yield Write(cpu.irqs_off, 0)
    if (yield Read(cpu.calls, limit=1)):
        yield Write(cpu.calls, 0)
        yield Relax()


def smp_call_function_single(sender: Vcpu, cpu: HostThread) -> HostCode[None]:
    """Make another cpu run an empty function, and wait until it has (wait=1).

    A cpu with interrupts enabled answers at once. One that is entering, in or leaving the guest
    answers when it enables them, so a guest that runs there has exited, and its state was saved.
    """
    mine = 1 << sender.index
    yield Or(cpu.calls, mine)
    yield Write(cpu.thread.hdoorbell, 1)
    yield Trace(Event.IPI, sender.index)
    yield Await(zero(cpu.calls, mine), zero(cpu.irqs_off))
    yield Clear(cpu.calls, mine)


def kvmppc_fast_vcpu_kick_hv(sender: Vcpu, target: Vcpu) -> HostCode[None]:
    """Wake the target's task, or pull it out of the guest.

    On POWER7 and POWER8 a thread that is pulled out stays in real mode, and takes what is pending
    back into the guest, unless its vcore exits.
    """
    yield Write(target.awake, 1)  # a wake-up is a full barrier too
    thread = yield Read(target.thread_cpu)
    if thread:
        yield from kvmppc_ipi_thread(sender, target.kvm.cpus[thread - 1])
        return
    cpu = yield Read(target.cpu)
    if cpu:
        yield from kvmppc_ipi_thread(sender, target.kvm.cpus[cpu - 1])


def kvmppc_ipi_thread(sender: Vcpu, cpu: HostThread) -> HostCode[None]:
    """Send a hypervisor doorbell (msgsnd) to a hardware thread, or an interrupt by the XICS.

    msgsnd does not exist on POWER7, and does not leave the core on POWER8.
    """
    yield Trace(Event.KICK, sender.index)
    generation = sender.kvm.generation
    if generation.msgsnd and (generation.independent_threads or cpu.core == sender.pcpu.core):
        yield Write(cpu.thread.hdoorbell, 1)
    else:
        yield Write(cpu.thread.xics_ipi, 1)
