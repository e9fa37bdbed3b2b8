"""Names for state words, and host operations in words: the way back from refs."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from emu.core import engine
from emu.hv.event import Event
from emu.hv.ops import Condition, ConditionKind, Op

if TYPE_CHECKING:
    from emu.hv.host import Host

REF_FIELDS = {"ref", "source", "deadline", "chars", "count", "position", "trap", "status", "gprs",
              "instruction"}  # fmt: skip
SIGNS = {
    ConditionKind.ANY: "{} != 0",
    ConditionKind.NONE: "{} == 0",
    ConditionKind.EQUAL: "{} == {:#x}",
    ConditionKind.AT_LEAST: "{} >= {:#x}",
    ConditionKind.PAST: "tb >= {}",
    ConditionKind.ALL_OUT: "all threads of {} are out",
}


class RefNames:
    """Knows the name of every state word of a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._areas = []
        for area, shown in (("machine", ""), ("vcpu", "v"), ("thread", "cpu"), ("subproc", "cpu")):
            size, offsets = engine.fields(area)
            self._areas.append((host.machine.area(area), size, offsets, shown))
        self._actors = host.machine.area("actor")

    def name(self, ref: int) -> str:
        """Name a word as the debugger's expressions do: `v1.doorbell_request`."""
        host_words = self.host.layout.first
        if ref >= host_words:
            return self.host.layout[ref].name
        if ref >= self._actors:
            actor, word = divmod(ref - self._actors, engine.ACTOR_WORDS)
            return f"actor{actor}.{('node', 'slice')[word] if word < 2 else word}"
        for first, size, offsets, shown in reversed(self._areas):
            if ref >= first:
                index, word = divmod(ref - first, size)
                field, offset = max(
                    ((name, at) for name, at in offsets.items() if at <= word), key=lambda x: x[1]
                )
                register = f"r{word - offset}" if field == "gpr" else field
                return f"{shown}{index}.{register}" if shown else register
        return f"word {ref}"

    def operation(self, op: Op) -> str:
        """Write an operation with names: `Write(v1.doorbell_request, 1)`."""
        shown = []
        for row in fields(op):
            value = getattr(op, row.name)
            if row.name in REF_FIELDS:
                if value or (row.name == "ref" and row.default is MISSING):
                    shown.append(self.name(value))
            elif isinstance(value, Condition):
                shown.append(self._condition(value))
            elif row.name == "conditions":
                shown += [self._condition(condition) for condition in value]
            elif isinstance(value, Event):
                shown.append(value.name)
            elif not (row.default == value and row.name != "value"):
                shown.append(str(value) if not isinstance(value, int) else _number(value))
        return f"{type(op).__name__}({', '.join(shown)})"

    def _condition(self, condition: Condition) -> str:
        return SIGNS[condition.kind].format(self.name(condition.ref), condition.value)


def _number(value: int) -> str:
    return str(value) if value < 10 else f"{value:#x}"
