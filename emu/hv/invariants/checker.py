"""Shows each step of a run to the invariants that it may concern."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.core.engine import StepKind, Verdict
from emu.hv.invariants.cede import Cede
from emu.hv.invariants.emulated import EmulatedDoorbells
from emu.hv.invariants.family import Before, Step
from emu.hv.invariants.interrupts import PENDING, Interrupts
from emu.hv.invariants.native import NativeDoorbells
from emu.hv.invariants.partition import Partition
from emu.hv.invariants.registers import Registers
from emu.hv.invariants.vcore import VcoreStates
from emu.hv.invariants.xics import Xics
from emu.hv.ops import Inject, RunGuest
from emu.hv.ref_names import RefNames
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.core.engine import Stop
    from emu.hv.host import Host
    from emu.hv.invariants.family import Family
    from emu.hv.ops import Op

FAMILIES: Final[tuple[type[Family], ...]] = (
    EmulatedDoorbells, NativeDoorbells, Interrupts, Partition, VcoreStates, Cede, Registers, Xics,
)  # fmt: skip
LAST: Final = 8
LOG: Final = 1 << 12  # more than the deeds of one turn in a guest
EE: Final = mask("MSR", "EE")


class Violation(NamedTuple):
    """sentence: what does not hold. tb, actor: when, and after whose step. last: steps before."""

    sentence: str
    tb: int
    actor: str
    last: tuple[str, ...]

    def __str__(self) -> str:
        """Explain, a line a fact."""
        lines = (f"{self.sentence} (at {self.tb}, after a step of {self.actor})", *self.last)
        return "\n".join(lines)


class Checker:
    """Looks at one host after every step. families: the invariants that are looked at."""

    def __init__(self, host: Host, families: Sequence[type[Family]] = FAMILIES) -> None:
        self._host = host
        self._words = host.words
        self._refs = [host.node_ref(i) for i in range(len(host.actors))]
        self._nodes = [self._words[ref] for ref in self._refs]
        self._last: deque[tuple[int, Op]] = deque(maxlen=LAST)
        self._before: Before | None = None
        self._families = [kind(host, self._stands_at) for kind in families]
        # By node: who wants to see its steps.
        self._wanted: dict[int, list[Callable[[Step], str | None]]] = {}
        host.machine.log(LOG)

    def _stands_at(self, actor: int) -> Op | None:
        node = self._nodes[actor]
        return self._host.automaton.op(node) if node else None

    def before(self, actor: int) -> None:
        """Note what holds before a step of an actor."""
        self._before = None
        op = self._stands_at(actor)
        if not isinstance(op, RunGuest):
            return
        host, words, cpu = self._host, self._words, self._host.cpus[op.thread]
        number = words[cpu.thread.vcpu]
        if not number:
            return
        vcpu = host.vcpus[number - 1]
        arch = vcpu.arch
        msr = words[arch.msr]
        pending = None
        if msr & EE:
            due = (name for name, is_due in PENDING.items() if is_due(host, vcpu, cpu))
            pending = next(due, None)
        tb, insns, nia = host.machine.state.tb, words[arch.ic], words[arch.nia]
        dec = words[arch.dec_expires], words[arch.dec_armed]
        self._before = Before(vcpu, cpu, tb, insns, nia, msr, dec, pending)

    def after(self, stop: Stop) -> Violation | None:
        """Check what the last step did; stop: how the engine came back from it."""
        actor = stop.actor
        if stop.verdict is Verdict.DEADLOCK:
            idle = (family.idle() for family in self._families)
            return self._violation(next(filter(None, idle), None), actor)
        if stop.last is StepKind.TURN:
            return None
        node = self._nodes[actor]
        self._nodes[actor] = self._words[self._refs[actor]]
        if not node:
            return None
        op = self._host.automaton.op(node)
        self._last.append((actor, op))
        wanted = self._wanted.get(node)
        if wanted is None:
            wanted = [family.after for family in self._families if family.wants(op)]
            self._wanted[node] = wanted
        if not wanted:
            return None
        before = self._before if isinstance(op, RunGuest) else None
        deeds = tuple(self._host.machine.drain()) if isinstance(op, RunGuest | Inject) else ()
        exited = self._nodes[actor] != node
        step = Step(self._host.actors[actor], op, before, deeds, exited)
        for look in wanted:
            if sentence := look(step):
                return self._violation(sentence, actor)
        return None

    def _violation(self, sentence: str | None, actor: int) -> Violation | None:
        if sentence is None:
            return None
        host = self._host
        names = RefNames(host)
        last = tuple(f"  {host.actor_name(who)}: {names.operation(op)}" for who, op in self._last)
        return Violation(sentence, host.machine.state.tb, host.actor_name(actor), last)
