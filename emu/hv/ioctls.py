"""What userspace does to a vcpu from outside its task: host code of ioctls and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.host_sched import sched_in, sched_out
from emu.hv.ipi import kvmppc_fast_vcpu_kick_hv, kvmppc_ipi_thread
from emu.hv.kvm import PENDING_EXTERNAL
from emu.hv.ops import Await, Clear, HostCode, Or, Read, Write, zero
from emu.hv.rmhandlers import ipi_thread

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu


def kick(vcpu: Vcpu) -> HostCode[None]:
    """Wake a vcpu's task, or pull it out of the guest."""
    yield from kvmppc_fast_vcpu_kick_hv(vcpu, vcpu)


def set_external(vcpu: Vcpu, level: bool) -> HostCode[None]:
    """KVM_INTERRUPT: raise (KVM_INTERRUPT_SET_LEVEL) or drop the external interrupt line."""
    if level:
        yield Or(vcpu.pending_exceptions, PENDING_EXTERNAL)
    else:
        yield Clear(vcpu.pending_exceptions, PENDING_EXTERNAL)
    yield from kick(vcpu)


def signal_stop(vcpu: Vcpu) -> HostCode[None]:
    """Send the vcpu's task a signal: its KVM_RUN is to return.

    The interrupt goes to the task's cpu whether the vcpu has been published there or not: a task
    that has looked for signals already, but is not in the guest yet, finds it pending when it is.
    """
    yield Write(vcpu.request_exit, 1)
    if vcpu.kvm.generation.independent_threads:
        yield Write(vcpu.awake, 1)
    else:
        yield from kick(vcpu)
    yield from pull_out(vcpu)


def pull_out(vcpu: Vcpu) -> HostCode[None]:
    """Make the threads of a vcpu's (sub)core leave the guest: the host wants them.

    Tasks run on thread 0, so it is interrupted in any case: it may be on its way into the guest.
    """
    if vcpu.kvm.generation.independent_threads:
        yield from kvmppc_ipi_thread(vcpu, vcpu.pcpu)
        return
    for cpu in vcpu.vcore.threads:
        if (yield Read(cpu.kvm_vcore)) or cpu.tir == 0:
            yield Write(cpu.host_ipi, 1)
            yield from ipi_thread(cpu, vcpu)


def signal_continue(vcpu: Vcpu) -> HostCode[None]:
    """Let the vcpu's task call KVM_RUN again."""
    yield Write(vcpu.request_exit, 0)


def wait_in_userspace(vcpu: Vcpu) -> HostCode[None]:
    """Stay in userspace until userspace wants to go on; KVM_RUN has returned KVM_EXIT_INTR."""
    owns_cpu = vcpu.kvm.generation.independent_threads
    if owns_cpu:
        yield from sched_out(vcpu)
    yield Write(vcpu.in_userspace, 1)
    yield Await(zero(vcpu.request_exit))
    yield Write(vcpu.in_userspace, 0)
    if owns_cpu:
        yield from sched_in(vcpu)
