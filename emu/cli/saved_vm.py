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
    from emu.hv.host import Outcome, Vm


def restore(options: MachineOptions, name: str) -> tuple[Vm, Guest]:
    """Make a host as asked for, and on it the VM of a file; its guest has no symbols.

    Raises ImageError (no such VM, or not here) and ConfigError (no such host).
    """
    data = read_input(name)
    try:
        saved = SavedVm.from_bytes(data)
        vm = host_of(options).restore_vm(saved)
        vm.host.build()
    except ImageError as error:
        raise ImageError(f"{shown(name)}: {error}") from None
    return vm, Guest(assemble(""), 0)


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
