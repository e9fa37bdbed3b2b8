"""What a command says of a machine when it has stopped: for people, and as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from emu.hv.kvm import BUSY_IN_HOST, NOTREADY, RUNNABLE
from emu.isa.msr import describe
from emu.trace.statistics import Statistics, plain_table

if TYPE_CHECKING:
    from emu.cli.guest_source import Guest
    from emu.hv.host import Outcome
    from emu.hv.kvm import Vcpu
    from emu.hv.registers import Register
    from emu.hv.vm import Vm

STATES = {NOTREADY: "notready", RUNNABLE: "runnable", BUSY_IN_HOST: "busy_in_host"}


def state_of(vm: Vm, vcpu: Vcpu) -> str:
    """KVM's state of a vcpu in a word."""
    words = vm.host.words
    return "ceded" if words[vcpu.ceded] else STATES[words[vcpu.state]]


def json_report(vm: Vm, outcome: Outcome) -> dict[str, Any]:
    """The object that `emu run --json` prints; its schema is a contract."""
    counted = Statistics(vm)
    return {
        "schema": 1,
        "outcome": outcome.kind,
        "exit_code": outcome.status if outcome.kind == "exit" else None,
        "instructions": outcome.instructions,
        "console": vm.console.decode("utf-8", "backslashreplace"),
        "vcpus": [_vcpu_json(vm, i, counted) for i in range(len(vm.vcpus))],
        "doorbells": counted.doorbell_totals(),
    }


def _vcpu_json(vm: Vm, position: int, counted: Statistics) -> dict[str, Any]:
    words = vm.host.words
    vcpu = vm.vcpus[position]

    def hexadecimal(ref: int) -> str:
        return f"{words[ref]:#018x}"

    arch = vcpu.arch
    return {
        "id": vcpu.vcpu_id,
        "state": state_of(vm, vcpu),
        **{name: hexadecimal(getattr(arch, name)) for name in
           ("nia", "msr", "cr", "xer", "lr", "ctr")},
        "gpr": [hexadecimal(vcpu.gpr(number)) for number in range(32)],
        "instructions": words[arch.ic],
        "exits": counted.exits_of(position),
    }  # fmt: skip


def ending(outcome: Outcome, nvcpus: int) -> str:
    """One line for people: how the run ended, after how much."""
    verdict = {
        "exit": f"exit {outcome.status}",
        "limit": "the instruction limit was reached",
        "deadlock": "deadlock: no vcpu can ever run again",
        "trap": "a guest trap that nobody handles",
        "breakpoint": "breakpoint",
        "interrupted": "interrupted",
        "violation": "an invariant of the hypervisor does not hold",
    }[outcome.kind]
    on = "1 vcpu" if nvcpus == 1 else f"{nvcpus} vcpus"
    plural = "" if outcome.instructions == 1 else "s"
    return f"{verdict}, after {outcome.instructions} instruction{plural} on {on}"


def state_lines(vm: Vm, guest: Guest) -> list[str]:
    """Where each vcpu stands, one line each."""
    words = vm.host.words
    return [
        f"{vcpu.name} {state_of(vm, vcpu):9} nia={guest.symbolic(words[vcpu.arch.nia])} "
        f"lr={guest.symbolic(words[vcpu.arch.lr])} msr=[{describe('MSR', words[vcpu.arch.msr])}]"
        for vcpu in vm.vcpus
    ]


def register_lines(vm: Vm, registers: list[Register]) -> list[str]:
    """The registers that were asked for, a line for each vcpu."""
    values: dict[int, list[str]] = {}
    for register in registers:
        values.setdefault(register.vcpu, []).append(f"{register.name}={register.read(vm):#x}")
    return [f"v{vcpu}  {' '.join(shown)}" for vcpu, shown in sorted(values.items())]


def print_table(statistics: Statistics) -> None:
    """Print the counters on standard error, in colour if that is a terminal."""
    headings, lines = statistics.table()
    if not sys.stderr.isatty():
        for line in plain_table(headings, lines):
            click.echo(line, err=True)
        return
    from rich.console import Console  # noqa: PLC0415  slow to import, and seldom wanted
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    for row in lines:
        table.add_row(*row)
    Console(stderr=True, highlight=False).print(table)
