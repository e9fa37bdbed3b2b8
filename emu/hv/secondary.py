"""Hardware threads that are offline in the host: they nap, and run guests when asked.

Source: power7_nap and kvm_start_guest in book3s_hv_rmhandlers.S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.kvm import HWTHREAD_IN_KERNEL, HWTHREAD_IN_KVM, HWTHREAD_IN_NAP
from emu.hv.ops import Await, HostCode, OneOf, Read, Write, nonzero
from emu.hv.rmhandlers import kvmppc_hv_entry

if TYPE_CHECKING:
    from emu.hv.kvm import HostThread, Vcore


def offline_thread(cpu: HostThread, vcores: tuple[Vcore, ...]) -> HostCode[None]:
    """Nap until interrupted; then enter the vcore that this thread was given, if any."""
    thread = cpu.thread
    while True:
        yield Write(cpu.hwthread_state, HWTHREAD_IN_NAP)
        yield Await(nonzero(thread.xics_ipi), nonzero(thread.hdoorbell))
        yield Write(cpu.hwthread_state, HWTHREAD_IN_KERNEL)
        if not (yield Read(cpu.hwthread_req)):
            yield from _acknowledge(cpu)  # nobody's business: back to sleep
            continue
        yield Write(cpu.hwthread_state, HWTHREAD_IN_KVM)
        yield from kvm_start_guest(cpu, vcores)


def kvm_start_guest(cpu: HostThread, vcores: tuple[Vcore, ...]) -> HostCode[None]:
    """Enter the vcore of this thread, and give it up when the guest has been left.

    The interrupt is acknowledged before the pointer is looked at: one that comes later is for a
    pointer that was set later, and must still be there.
    """
    yield from _acknowledge(cpu)
    numbers = tuple(1 + i for i in range(len(vcores)))
    number = yield OneOf(cpu.kvm_vcore, numbers)
    if number is None:
        return
    yield from kvmppc_hv_entry(cpu, vcores[number - 1])
    yield Write(cpu.host_ipi, 0)  # whoever wanted the thread out of the guest has it
    yield Write(cpu.kvm_vcpu, 0)
    yield Write(cpu.kvm_vcore, 0)  # last: run_core waits for it (barrier between the two)


def _acknowledge(cpu: HostThread) -> HostCode[None]:
    """Clear the IPI: read XIRR, MFRR := 0xff, EOI; and a doorbell."""
    yield Write(cpu.thread.xics_ipi, 0)
    yield Write(cpu.thread.hdoorbell, 0)
