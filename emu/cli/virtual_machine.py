"""From the options of a command line to a host with one VM, its guest loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import ConfigError
from emu.hv.host import Host, Vm
from emu.hv.policy import Policy
from emu.hv.schedulers import Scheduler, parse_scheduler

if TYPE_CHECKING:
    from emu.cli.guest_source import Guest
    from emu.cli.machine_options import MachineOptions


def build(options: MachineOptions, guest: Guest) -> Vm:
    """Make the machine that was asked for and load the guest.

    Raises ConfigError (a machine that cannot be built) and ImageError (it does not fit).
    """
    if options.machine == "pseries":
        raise ConfigError("--machine pseries is not available yet; bare is")
    policy = Policy(options.thread_assignment, options.entry_exit, options.run_when)
    host = Host(
        options.host,
        cores=options.cores,
        subcores=options.subcores,
        seed=options.seed,
        policy=policy,
    )
    vm = host.create_vm(memory=options.mem, smt=options.smt)
    for _ in range(options.vcpus):
        vm.create_vcpu()
    vm.load(guest.program, guest.entry)
    if guest.end is not None:
        vm.end_at(guest.end)
    return vm


def scheduler_of(options: MachineOptions) -> Scheduler:
    """Read `--schedule`: rr[:N], random[:N] or a file.

    Raises ConfigError.
    """
    return parse_scheduler(options.schedule)
