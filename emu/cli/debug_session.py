"""From what a command line names to a debugging session at its first instruction."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from emu.cli.guest_source import load_guest
from emu.cli.litmus_files import read_litmus
from emu.cli.litmus_machine import fitted
from emu.cli.virtual_machine import build, scheduler_of
from emu.debug.choices import Choices
from emu.debug.inspected import Inspected
from emu.debug.session import Session
from emu.explore.case import Case, Setting
from emu.explore.replay import scene_of

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


def is_litmus(guest: GuestSource) -> bool:
    """Whether a guest is a litmus test."""
    return guest.name is not None and PurePath(guest.name).suffix == ".litmus"


def session_of_litmus(guest: GuestSource, machine: MachineOptions) -> Session:
    """Stand at the beginning of a litmus test, whose steps are chosen: `choose`, `run`, `switch`.

    Raises LitmusError, ConfigError and click.UsageError.
    """
    test = fitted(read_litmus(str(guest.name)), machine)
    case = Case(
        kind="litmus", name=test.name, property="", expected="", program=test.text, schedule=(),
        setting=Setting(host=machine.host, bugs=machine.bug),
    )  # fmt: skip
    laboratory = Inspected()
    scene = scene_of(case, laboratory=laboratory)

    def ended() -> str:
        return f"nothing more can happen: {scene.outcome()}"

    history = Choices(scene.host or laboratory.frame, scene.search, ended=ended)
    return Session(history.host, history=history)
