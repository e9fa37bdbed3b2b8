"""A VM that is saved and restored in its place, in the middle of a recorded run.

What userspace does to its vcpus (a signal, one-regs, KVM_RUN again) are edits of the history; what
the hypervisor does about it are steps. So a migration is undone and done again like anything else.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from emu.core.watching import Watched, Watching
from emu.debug.choices import Choices
from emu.debug.history import Patch
from emu.errors import ConfigError
from emu.hv import ioctls
from emu.hv.migration import move_in, take_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session
    from emu.hv.vm import Vm

PAGE: Final = 4096
PATIENCE: Final = 10_000_000  # steps until every vcpu must have come to userspace


def migrate(session: Session) -> None:
    """Take the current vcpu's VM out of the host, and put it in again, with all that is pending.

    Raises ConfigError if a vcpu does not come to userspace, or the VM is one that cannot be saved.
    """
    host = session.host
    vm = host.vms[session.vcpu.kvm.number]
    if isinstance(session.timeline, Choices):
        raise ConfigError("the steps of a search are its own: a litmus test says when it migrates")
    if vm.firmware:
        raise ConfigError("a pseries machine cannot migrate here: its firmware is not recorded")

    def stop() -> None:
        for vcpu in vm.vcpus:
            host.perform(vcpu, partial(ioctls.signal_stop, vcpu))

    _by_hand(session, f"a signal to every vcpu of vm{vm.number}", stop)
    _wait(session, vm)
    _by_hand(session, f"vm{vm.number} is saved and restored", lambda: move_in(vm, take_out(vm)))
    _by_hand(session, f"vm{vm.number} goes on", lambda: host.continue_vcpus(vm.vcpus))


def _wait(session: Session, vm: Vm) -> None:
    """Let everybody go on until the VM's vcpus are in userspace."""
    words = session.host.words
    until = session.position + PATIENCE
    for vcpu in vm.vcpus:
        arrival = Watching(watched=[Watched(None, vcpu.in_userspace)])
        while not words[vcpu.in_userspace]:
            halt = session.timeline.forward(until, watching=arrival)
            if halt.kind != "watching":
                raise ConfigError(f"{vcpu.name} has not come to userspace: {halt.kind}")


def _by_hand(session: Session, text: str, act: Callable[[], object]) -> None:
    """Do something to the machine, and record what that changed as an edit."""
    host, machine = session.host, session.host.machine
    words = host.words.tolist()
    memories = [bytes(machine.memory(vm.number)) for vm in host.vms]
    counters = host.engine.all_counters.tobytes()
    try:
        act()
        changed = {ref: new for ref, new in enumerate(host.words) if new != words[ref]}
        patches = [
            Patch(vm.number, at, bytes(machine.memory(vm.number)[at : at + PAGE]))
            for vm, old in zip(host.vms, memories, strict=True)
            for at in range(0, len(old), PAGE)
            if machine.memory(vm.number)[at : at + PAGE] != old[at : at + PAGE]
        ]
    finally:
        host.events()
        host.engine.all_counters.cast("B")[:] = counters
        for ref, value in enumerate(words):
            host.words[ref] = value
        for vm, old in zip(host.vms, memories, strict=True):
            for at in range(0, len(old), PAGE):
                if machine.memory(vm.number)[at : at + PAGE] != old[at : at + PAGE]:
                    machine.write(vm.number, at, old[at : at + PAGE])
    session.change(text, changed, patches)
