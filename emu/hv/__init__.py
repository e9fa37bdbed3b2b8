"""The hypervisor: KVM's Book3S HV for POWER hosts, as host code over flat state.

from emu.hv import Host

host = Host("power9")
vm = host.create_vm(memory=16 << 20, smt=2)
for vcpu_id in range(2):
vm.create_vcpu(vcpu_id)
vm.load(program)
outcome = host.run()
"""

from __future__ import annotations

from emu.hv.event import Event
from emu.hv.host import Host, Outcome, TraceEvent, Vm
from emu.hv.schedulers import Random, Replay, RoundRobin, Scheduler, parse_scheduler

__all__ = [
    "Event",
    "Host",
    "Outcome",
    "Random",
    "Replay",
    "RoundRobin",
    "Scheduler",
    "TraceEvent",
    "Vm",
    "parse_scheduler",
]
