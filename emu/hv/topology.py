"""Lays a host out: hardware threads, and the VMs' vcores and vcpus on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emu.hv.icp import FIRST_SOURCE, Source
from emu.hv.kvm import HostThread, Kvm, Place, Vcore, Vcpu, Window
from emu.hv.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.hv.generation import Generation
    from emu.hv.state import Layout

# Host timebase ticks that a task may stay in the guest while others wait for its cpu.
TIMESLICE = 10_000


class VmSpec(NamedTuple):
    """What a VM was created with. smt: KVM_CAP_PPC_SMT. level_irqs: a bool for each source."""

    smt: int
    vcpu_ids: Sequence[int]
    level_irqs: Sequence[bool] = ()


class Hardware(NamedTuple):
    """What a host is made of. subcores: of each core. idle_cores: the first ones run no VM."""

    generation: Generation
    cores: int = 1
    subcores: int = 1
    idle_cores: int = 0

    @property
    def nthreads(self) -> int:
        """Hardware threads of all cores."""
        return self.cores * self.generation.threads_per_core

    @property
    def threads_per_subcore(self) -> int:
        """Hardware threads that share LPIDR and DPDES, and run one vcore; 1 on POWER9."""
        if self.generation.independent_threads:
            return 1
        return self.generation.threads_per_core // self.subcores


class Topology(NamedTuple):
    """All records of a host. vcores: by Vcore.host_number; vcpus: by Vcpu.index."""

    cpus: tuple[HostThread, ...]
    kvms: tuple[Kvm, ...]
    vcores: tuple[Vcore, ...]
    vcpus: tuple[Vcpu, ...]


def lay_out(
    layout: Layout,
    hardware: Hardware,
    vms: Sequence[VmSpec],
    refs: Callable[[str, int], Window],
    policy: Policy | None = None,
) -> Topology:
    """Create the records. refs: gives the core's fields of a struct and index."""
    generation = hardware.generation
    cpus = _threads(layout, hardware, refs)
    subcores = [c.siblings for c in cpus if c.tir == 0 and c.core >= hardware.idle_cores]
    kvms = []
    vcores: list[Vcore] = []
    vcpus: list[Vcpu] = []
    for number, spec in enumerate(vms):
        kvm = Kvm(layout, number, generation, spec.smt, policy or Policy())
        kvm.cpus = cpus
        by_number: dict[int, Vcore] = {}
        for vcpu_id in spec.vcpu_ids:
            wanted = vcpu_id // kvm.smt_mode
            vcore = by_number.get(wanted)
            if vcore is None:
                first = wanted * kvm.smt_mode
                vcore = Vcore(layout, kvm, len(kvm.vcores), len(vcores), first)
                vcore.threads = subcores[len(vcores) % len(subcores)]
                by_number[wanted] = vcore
                vcores.append(vcore)
                kvm.vcores = (*kvm.vcores, vcore)
            vcpu = Vcpu(layout, len(vcpus), vcpu_id, vcore, refs("vcpu", len(vcpus)))
            vcpu.cpus = (vcore.threads[0],)
            vcore.vcpus = (*vcore.vcpus, vcpu)
            kvm.vcpus = (*kvm.vcpus, vcpu)
            vcpus.append(vcpu)
        kvm.sources = tuple(
            Source(layout, number, i, FIRST_SOURCE + i, lsi=level)
            for i, level in enumerate(spec.level_irqs)
        )
        kvms.append(kvm)
    timebase = refs("machine", 0).tb
    for cpu in cpus:
        sharers = sum(cpu in vcore.threads for vcore in vcores)
        cpu.timebase = timebase
        cpu.timeslice = TIMESLICE if sharers > 1 else 0
    return Topology(cpus, tuple(kvms), tuple(vcores), tuple(vcpus))


def _threads(
    layout: Layout, hardware: Hardware, refs: Callable[[str, int], Window]
) -> tuple[HostThread, ...]:
    """Create the hardware threads, each with its siblings."""
    generation = hardware.generation
    size = hardware.threads_per_subcore
    cpus = []
    for number in range(hardware.nthreads):
        tir = number % size
        place = Place(number // generation.threads_per_core, tir, generation.msgsnd)
        subproc = refs("subproc", number - tir)
        cpus.append(HostThread(layout, number, place, refs("thread", number), subproc))
    for cpu in cpus:
        first = cpu.number - cpu.tir
        cpu.siblings = tuple(cpus[first : first + size])
    return tuple(cpus)
