"""Lays a host out: hardware threads, and the VMs' vcores and vcpus on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emu.hv.icp import FIRST_SOURCE, Source
from emu.hv.kvm import HostThread, Kvm, Vcore, Vcpu, Window

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


class Topology(NamedTuple):
    """All records of a host."""

    cpus: tuple[HostThread, ...]
    kvms: tuple[Kvm, ...]
    vcpus: tuple[Vcpu, ...]


def lay_out(
    layout: Layout,
    generation: Generation,
    cores: int,
    vms: Sequence[VmSpec],
    refs: Callable[[str, int], Window],
) -> Topology:
    """Create the records. refs: gives the core's fields of a struct and index."""
    nthreads = cores * generation.threads_per_core
    cpus = tuple(
        HostThread(layout, i, refs("thread", i), refs("subproc", i)) for i in range(nthreads)
    )
    kvms = []
    vcpus: list[Vcpu] = []
    for number, spec in enumerate(vms):
        kvm = Kvm(layout, number, generation, spec.smt)
        kvm.cpus = cpus
        for vcpu_id in spec.vcpu_ids:
            vcore = Vcore(layout, kvm, len(kvm.vcores), vcpu_id)
            vcpu = Vcpu(layout, len(vcpus), vcpu_id, vcore, refs("vcpu", len(vcpus)))
            vcpu.cpus = (cpus[vcpu.index % nthreads],)
            vcore.vcpus = (vcpu,)
            kvm.vcores = (*kvm.vcores, vcore)
            kvm.vcpus = (*kvm.vcpus, vcpu)
            vcpus.append(vcpu)
        kvm.sources = tuple(
            Source(layout, number, i, FIRST_SOURCE + i, lsi=level)
            for i, level in enumerate(spec.level_irqs)
        )
        kvms.append(kvm)
    timebase = refs("machine", 0).tb
    for cpu in cpus:
        tasks = sum(cpu in vcpu.cpus for vcpu in vcpus)
        cpu.timebase = timebase
        cpu.timeslice = TIMESLICE if tasks > 1 else 0
    return Topology(cpus, tuple(kvms), tuple(vcpus))
