"""From the options of a command line to a debugging session at its first instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.cli.guest_source import load_guest
from emu.cli.virtual_machine import build, scheduler_of
from emu.debug.session import Session

if TYPE_CHECKING:
    from emu.cli.guest_source import GuestSource
    from emu.cli.machine_options import MachineOptions


def session_of(guest: GuestSource, machine: MachineOptions) -> Session:
    """Load the guest into the machine that was asked for, and stand at its first instruction.

    Raises what load_guest, scheduler_of and build raise.
    """
    loaded = load_guest(guest, machine.endian)
    vm = build(machine, loaded)
    scheduler = scheduler_of(machine, vm.host)
    session = Session(vm.host, loaded.program, scheduler, most_insns=machine.max_insns)
    session.begin()
    return session
