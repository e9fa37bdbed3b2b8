"""`emu run --save` and `--restore`: a VM in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emu.asm import assemble
from emu.cli.guest_source import Guest
from emu.cli.input_files import read_input, shown
from emu.cli.virtual_machine import host_of
from emu.errors import ConfigError, ImageError
from emu.hv.saved import SavedVm

if TYPE_CHECKING:
    from emu.cli.machine_options import MachineOptions
    from emu.hv.host import Outcome
    from emu.hv.vm import Vm


# Options that have no meaning for a VM that has begun; names of MachineOptions and GuestSource.
OF_THE_START = ("endian", "append", "pvr", "initrd", "rtc")


def restore(options: MachineOptions, name: str) -> tuple[Vm, Guest]:
    """Make a host as asked for, and on it the VM of a file; its guest has no symbols.

    Raises ImageError (no such VM, or not here) and ConfigError (no such host, or an option that
    says otherwise than the file).
    """
    data = read_input(name)
    try:
        saved = SavedVm.from_bytes(data)
        _must_agree(options, saved)
        vm = host_of(options).restore_vm(saved)
        vm.host.build()
    except ImageError as error:
        raise ImageError(f"{shown(name)}: {error}") from None
    return vm, Guest(assemble(""), 0)


def _must_agree(options: MachineOptions, saved: SavedVm) -> None:
    """Refuse options that the saved VM contradicts, or that only a start could heed."""
    for option in OF_THE_START:
        if option in options.given:
            raise ConfigError(f"--{option} is for a guest that starts, not for --restore")
    machine = "bare" if saved.firmware is None else "pseries"
    says = {"smt": saved.smt, "vcpus": len(saved.vcpus), "mem": saved.memory, "machine": machine}
    for option, value in says.items():
        if option in options.given and getattr(options, option) != value:
            raise ConfigError(
                f"--{option} must be {value} or left out, as the saved VM has it, "
                f"got {getattr(options, option)}"
            )


def save(vm: Vm, name: str) -> Outcome | None:
    """Stop a VM and write it to a file; None, or how the run ended before it could be stopped.

    Raises ConfigError if the file cannot be written.
    """
    ended = vm.stop()
    if ended is not None:
        return ended
    try:
        Path(name).write_bytes(vm.save().to_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot write {shown(name)}: {reason}") from None
    return None
