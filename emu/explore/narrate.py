"""A schedule told step by step: who did what, where in its source, and what changed by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from emu.core.engine import STRUCTS, fields
from emu.errors import MemoryAccessError
from emu.explore.points import PointKind
from emu.explore.search import ChoiceKind
from emu.isa.disasm import disassemble
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emu.core.machine import Machine
    from emu.explore.search import Choice, Search, Stand
    from emu.hv.host import Host

LE: Final = mask("MSR", "LE")

# Words that change at every step and mean nothing to a reader.
_NOISE = frozenset({
    "ic", "node", "slice", "nia", "tb", "cfar", "exit_word", "hsrr0", "hsrr1", "hfscr", "lpid",
    "trap", "arg",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One step. place: the instruction's address, or function and line of the host code."""

    number: int
    actor: str
    choice: Choice
    what: str
    place: str
    changes: tuple[str, ...]

    def __str__(self) -> str:
        changes = f"  [{', '.join(self.changes)}]" if self.changes else ""
        return f"{self.number:4} {self.actor:6} {self.place:>34}  {self.what}{changes}"


class Narrator:
    """Tells of one machine's steps. host: the hypervisor, if there is one."""

    def __init__(self, machine: Machine, host: Host | None = None) -> None:
        self._machine = machine
        self._host = host
        self._names = _names(machine, host)

    @property
    def _order(self) -> Literal["little", "big"]:
        return "little" if self._machine.vcpu[0].msr & LE else "big"

    def name(self, ref: int) -> str:
        """The name of a state word: `v1.doorbell_request`, `vcpu0.r5`, `subproc0.dpdes`."""
        return self._names[ref]

    def actor(self, actor: int) -> str:
        """The name of an actor."""
        return f"P{actor}" if self._host is None else self._host.actor_name(actor)

    def tell(self, search: Search, schedule: Iterable[Choice]) -> Iterator[Told]:
        """Take the steps of a schedule from the initial state and tell each of them.

        Stops at a step that cannot be taken.
        """
        search.reset()
        for number, choice in enumerate(schedule):
            told = self.step(search, number, choice)
            if told is None:
                return
            yield told

    def step(self, search: Search, number: int, choice: Choice) -> Told | None:
        """Take one step and tell of it; None: it cannot be taken now."""
        what, place = self.describe(search, choice)
        cell = self._cell(search, choice)
        before, held = self._machine.words.tolist(), self._memory(cell)
        if not search.take(choice):
            return None
        actor = self.actor(choice.actor)
        changes = self._changes(before)
        now = self._memory(cell)
        if now != held:
            changes = (f"memory {cell:#x} {held:#x} -> {now:#x}", *changes)
        return Told(number, actor, choice, what, place, changes)

    def _cell(self, search: Search, choice: Choice) -> int:
        """The 8 bytes that an instruction is about to access; 0: none."""
        if choice.kind is not ChoiceKind.GO:
            return 0
        stand = search.stand(choice.actor)
        return 0 if stand.host or stand.interrupt else stand.ea & ~7

    def _memory(self, cell: int) -> int:
        """What they hold."""
        if not cell:
            return 0
        try:
            return int.from_bytes(self._machine.read(0, cell, 8), self._order)
        except MemoryAccessError:  # the access will be an interrupt of the guest
            return 0

    def _changes(self, before: list[int]) -> tuple[str, ...]:
        return tuple(
            f"{name} {old:#x} -> {new:#x}" if max(old, new) > 9 else f"{name} {old} -> {new}"
            for name, old, new in zip(self._names, before, self._machine.words, strict=True)
            if old != new and name.rpartition(".")[2] not in _NOISE
        )

    def describe(self, search: Search, choice: Choice) -> tuple[str, str]:
        """What a step is about to do, and where."""
        if choice.kind is ChoiceKind.DELIVER:
            return f"the doorbell sent to thread {choice.actor} arrives", ""
        if choice.kind is ChoiceKind.TIMER:
            return "time passes", ""
        stand = search.stand(choice.actor)
        if choice.kind is ChoiceKind.LAND:
            return "an interrupt of the hypervisor's arrives", f"{stand.nia:#x}"
        if stand.host:
            return self._host_step(stand)
        if stand.interrupt:
            return f"takes interrupt {stand.interrupt:#x}", f"{stand.nia:#x}"
        return self._instruction(choice, stand), f"{stand.nia:#x}"

    def _instruction(self, choice: Choice, stand: Stand) -> str:
        if stand.kind == PointKind.END:
            return "is at the end of its program"
        data = self._machine.read(0, stand.nia, 4)
        text = disassemble(int.from_bytes(data, self._order), stand.nia)
        return text + (" fails" if choice.kind is ChoiceKind.FAIL else "")

    def _host_step(self, stand: Stand) -> tuple[str, str]:
        if self._host is None or not stand.node:
            return "", ""
        op = self._host.automaton.op(stand.node)
        place = self._host.automaton.where(stand.node)[-1]
        function = place.function.rpartition(".")[2]
        refs = ", ".join(self.name(ref) for ref in op.refs())
        return f"{type(op).__name__} {refs}".rstrip(), f"{function}:{place.line}"


def _names(machine: Machine, host: Host | None) -> list[str]:
    """A name for every state word."""
    names = [""] * len(machine.words)
    counts = {
        "machine": 1,
        "vcpu": len(machine.vcpu),
        "thread": len(machine.thread),
        "subproc": len(machine.subproc),
    }
    counts["actor"] = (machine.area("host") - machine.area("actor")) // fields("actor")[0]
    for struct in STRUCTS:
        size, offsets = fields(struct)
        base = machine.area(struct)
        for index in range(counts[struct]):
            prefix = struct if struct == "machine" else f"{struct}{index}"
            for name, offset in offsets.items():
                names[base + index * size + offset] = f"{prefix}.{name}"
            if struct == "vcpu":
                first = base + index * size + offsets["gpr"]
                for register in range(32):
                    names[first + register] = f"{prefix}.r{register}"
    if host is not None:
        for offset, word in enumerate(host.layout.words):
            names[host.layout.first + offset] = word.name
    return names
