"""A trace file: one event a line, as JSON, in the order in which things happened.

The lines and their names are described in docs/trace.md. Knows nothing of how they are shown.
"""

from __future__ import annotations

import heapq
import json
from typing import IO, TYPE_CHECKING, Any

from emu.core.machine import Deed, Logged
from emu.hv.event import Event
from emu.isa.interrupts import BY_VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.hv.host import Host, TraceEvent

VERSION = 1
# Room for what can happen between two drains: an event a step at most (see `Host.run`).
RING = 1 << 17
TRACE_CHUNK = 1 << 16

DEEDS = {
    Deed.SEND: ("guest_doorbell", "sent"),
    Deed.COALESCE: ("guest_doorbell", "coalesced"),
    Deed.CLEAR: ("guest_doorbell", "cleared"),
    Deed.IGNORE: ("guest_doorbell", "ignored"),
}


class TraceFile:
    """Writes the events of a host to a file as they come; `drain` often enough."""

    def __init__(self, host: Host, file: IO[str]) -> None:
        self._host = host
        self._file = file
        self._in_hcalls: set[int] = set()  # vcpus that made one and are not back
        host.engine.keep_events(RING)
        host.machine.log(RING)
        vcpus = [vcpu.name for vcpu in host.vcpus]
        placed = [(vm, *divmod(vcpu.vcpu_id, vm.smt)) for vm in host.vms for vcpu in vm.vcpus]
        cores = {core: number for number, core in enumerate(dict.fromkeys(p[:2] for p in placed))}
        self._write({"trace": "emu", "version": VERSION, "host": host.generation.name,
                     "vcpus": vcpus, "cores": [cores[vm, core] for vm, core, _ in placed],
                     "tirs": [tir for _, _, tir in placed]})  # fmt: skip

    def drain(self, at: int | None = None) -> None:
        """Write what has happened since the last time.

        at: the time to give it, where the timebase stands still.
        """
        # At one time the host's events come first: it enters the guest, then the guest acts.
        happened = heapq.merge(
            ((event.tb, line) for event in self._host.events() for line in self._host_lines(event)),
            ((logged.tb, self._guest_line(logged)) for logged in self._host.machine.drain()),
            key=lambda entry: entry[0],
        )
        if lost := self._host.engine.overrun() + self._host.machine.log_lost:
            raise RuntimeError(f"{lost} events are lost: the rings were drained too seldom")
        for _, line in happened:
            self._write(line if at is None else {**line, "tb": at})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _host_lines(self, event: TraceEvent) -> Iterator[dict[str, Any]]:
        """An event, with the hcall that an exit begins and the answer that an entry brings."""
        enters = event.event is Event.ENTER
        value = 0 if enters else event.value

        def line(tracepoint: str, case: str, value: int) -> dict[str, Any]:
            return dict(
                _fields(event.tb, event.actor, event.vcpu, tracepoint, case, value, event.nia)
            )

        if enters and event.vcpu in self._in_hcalls:
            self._in_hcalls.remove(event.vcpu)
            yield line("kvm_hcall_exit", "", event.value)
        yield line(event.event.tracepoint, event.event.case, value)
        if event.event is Event.EXIT_HCALL:
            self._in_hcalls.add(event.vcpu)
            yield line("kvm_hcall_enter", "", value)

    def _guest_line(self, logged: Logged) -> dict[str, Any]:
        actor = self._host.vcpus[logged.vcpu].name
        if logged.deed is Deed.INTERRUPT:
            known = BY_VECTOR.get(logged.argument)
            event, case = "guest_interrupt", known.name if known else ""
        else:
            event, case = DEEDS[logged.deed]
        return dict(_fields(logged.tb, actor, logged.vcpu, event, case, logged.argument,
                            logged.nia))  # fmt: skip


def _fields(
    tb: int, actor: str, vcpu: int, event: str, case: str, value: int, nia: int
) -> Iterator[tuple[str, Any]]:
    """The fields of one line; a case that says nothing is left out."""
    yield "tb", tb
    yield "actor", actor
    yield "vcpu", vcpu
    yield "event", event
    if case:
        yield "case", case
    yield "value", f"{value:#x}"
    yield "nia", f"{nia:#x}"
