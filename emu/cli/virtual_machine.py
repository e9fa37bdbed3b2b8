"""From the options of a command line to a host with one VM, its guest loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import ConfigError
from emu.hv.host import Host, Vm
from emu.hv.policy import Policy
from emu.hv.pseries import Pseries
from emu.hv.schedulers import Scheduler, parse_scheduler

if TYPE_CHECKING:
    from emu.cli.guest_source import Guest
    from emu.cli.machine_options import MachineOptions


def build(options: MachineOptions, guest: Guest) -> Vm:
    """Make the machine that was asked for and load the guest.

    Raises ConfigError (a machine that cannot be built) and ImageError (it does not fit).
    """
    machine = options.machine or ("pseries" if guest.relocates else "bare")
    if machine == "bare" and guest.relocates:
        raise ConfigError("a guest that relocates itself needs --machine pseries, got bare")
    host = host_of(options)
    vm = host.create_vm(memory=options.mem, smt=options.smt)
    loader: Vm | Pseries = vm
    if machine == "pseries":
        loader = Pseries(vm, bootargs=options.append, pvr=options.pvr)
    for _ in range(options.vcpus):
        vm.create_vcpu()
    loader.load(guest.program, guest.entry)
    if guest.end is not None:
        vm.end_at(guest.end)
    return vm


def host_of(options: MachineOptions) -> Host:
    """Make the host that was asked for, without a VM.

    Raises ConfigError.
    """
    return Host(
        options.host,
        cores=options.cores,
        subcores=options.subcores,
        seed=options.seed,
        policy=Policy(options.thread_assignment, options.entry_exit, options.run_when),
    )


def scheduler_of(options: MachineOptions) -> Scheduler:
    """Read `--schedule`: rr[:N], random[:N] or a file.

    Raises ConfigError.
    """
    return parse_scheduler(options.schedule)
