"""Machines for litmus tests whose every word has a name: what a debugger shows needs records.

A test that never leaves the guest is searched without a hypervisor, on a bare machine. Here it gets
a host all the same, whose code does nothing but run the guests; so registers, doorbells and threads
are found where a session looks for them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emu.explore.litmus.guest import MEMORY
from emu.explore.litmus.laboratory import Laboratory
from emu.hv.host import Host
from emu.hv.ops import RunGuest
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.core.machine import Machine
    from emu.explore.litmus.guest import Guest
    from emu.hv.ops import HostCode

ALL = (1 << 64) - 1
ILE = mask("LPCR", "ILE")
THREADS = 8  # of a core
SUBCORES = {1: 4, 2: 4, 4: 2, 8: 1}


class Inspected(Laboratory):
    """A laboratory that keeps the host of the machine it has given last."""

    frame: Host

    def hosted(self, guest: Guest, model: str) -> Host:
        """Return a hypervisor's machine."""
        self.frame = super().hosted(guest, model)
        return self.frame

    def bare(self, guest: Guest) -> Machine:
        """Return a machine without a hypervisor: every thread holds its vcpu for ever."""
        count, smt = len(guest.entries), guest.smt
        self.frame = host = Host("power8", cores=-(-count // THREADS), subcores=SUBCORES[smt])
        vm = host.create_vm(memory=MEMORY, smt=smt)
        for _ in range(count):
            vm.create_vcpu()
        machine = host.machine
        for actor in range(len(host.actors)):
            host.words[host.node_ref(actor)] = 0
        for vcpu in host.vcpus:
            node = host.automaton.root(partial(_always_in_guest, vcpu.index, vcpu.trap))
            host.words[host.node_ref(vcpu.index)] = node
        for number in range(count + -count % smt):
            thread = machine.thread[number]
            thread.vcpu = number + 1 if number < count else 0
            thread.tir, thread.subproc = number % smt, number - number % smt
            thread.hfscr, thread.lpcr = ALL, ILE if guest.little else 0
            machine.subproc[number].nthreads = smt
        return machine


def _always_in_guest(thread: int, trap: int) -> HostCode[None]:
    while True:
        yield RunGuest(thread, trap)
