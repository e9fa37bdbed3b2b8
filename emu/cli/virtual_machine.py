"""From the options of a command line to a host with one VM, its guest loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emu.asm.source import decode
from emu.cli.input_files import read_input
from emu.errors import ConfigError
from emu.hv.host import Host
from emu.hv.policy import Policy
from emu.hv.pseries import Pseries
from emu.hv.schedule_text import parse_schedule
from emu.hv.schedulers import SCHEDULERS, Replay, Scheduler, parse_scheduler

if TYPE_CHECKING:
    from emu.cli.guest_source import Guest
    from emu.cli.machine_options import MachineOptions
    from emu.hv.vm import Vm

# What only a machine with firmware has; names of MachineOptions.
FIRMWARE_OPTIONS = ("append", "pvr", "initrd", "rtc")
# What only a host has whose threads share a partition.
VCORE_OPTIONS = ("thread_assignment", "entry_exit", "run_when")


def build(options: MachineOptions, guest: Guest) -> Vm:
    """Make the machine that was asked for and load the guest.

    Raises ConfigError (a machine that cannot be built) and ImageError (it does not fit).
    """
    machine = options.machine or ("pseries" if guest.relocates else "bare")
    if machine == "bare" and guest.relocates:
        raise ConfigError("a guest that relocates itself needs --machine pseries, got bare")
    if machine == "bare" and (given := options.given.intersection(FIRMWARE_OPTIONS)):
        raise ConfigError(f"--{min(given)} is for a pseries machine, got a bare one: see --machine")
    host = host_of(options)
    vm = host.create_vm(memory=options.mem, smt=options.smt)
    loader: Vm | Pseries = vm
    if machine == "pseries":
        loader = Pseries(
            vm,
            bootargs=options.append,
            pvr=options.pvr,
            initrd=b"" if options.initrd is None else read_input(options.initrd),
            epoch=options.rtc,
        )
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
    if options.host == "power9" and (given := options.given.intersection(VCORE_OPTIONS)):
        option = min(given).replace("_", "-")
        raise ConfigError(f"--{option} is for power7 and power8, got power9")
    return Host(
        options.host,
        cores=options.cores,
        subcores=options.subcores,
        seed=options.seed,
        policy=Policy(options.thread_assignment, options.entry_exit, options.run_when),
    )


def scheduler_of(options: MachineOptions, host: Host) -> Scheduler:
    """Read `--schedule`: rr[:N], random[:N], pct[:D], or a file that `--record` wrote.

    Raises ConfigError, ReplayError (the file), ImageError (it cannot be read).
    """
    spec = options.schedule
    if spec.partition(":")[0] in SCHEDULERS or not Path(spec).is_file():
        return parse_scheduler(spec)
    return Replay(parse_schedule(decode(read_input(spec)), actor_names(host)))


def actor_names(host: Host) -> list[str]:
    """Who can have a turn, by number."""
    return [actor.name for actor in host.actors]
