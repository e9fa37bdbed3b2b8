"""The hypervisor: KVM's Book3S HV for POWER hosts, as host code over flat state.

host = Host("power9")
vm = host.create_vm(memory=16 << 20)
vm.enable_cap(Capability.PPC_SMT, 2)
for vcpu_id in range(2):
    vm.create_vcpu(vcpu_id)
vm.load(program)
outcome = host.run()
vm.vcpu(1).get_one_reg(number)
"""

from __future__ import annotations

from emu.hv.capability import Capability
from emu.hv.event import Event
from emu.hv.host import Host, Outcome, TraceEvent
from emu.hv.saved import SavedVm
from emu.hv.schedulers import Random, Replay, RoundRobin, Scheduler, parse_scheduler
from emu.hv.vm import Vm

__all__ = [
    "Capability",
    "Event",
    "Host",
    "Outcome",
    "Random",
    "Replay",
    "RoundRobin",
    "SavedVm",
    "Scheduler",
    "TraceEvent",
    "Vm",
    "parse_scheduler",
]
