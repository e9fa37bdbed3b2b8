"""How a vcore comes to run and to stop (POWER7, POWER8), and that the host has its own back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.invariants.family import Family, Step, written
from emu.hv.kvm import (
    EXITING,
    HWTHREAD_IN_KERNEL,
    RUNNABLE,
    VCORE_EXITING,
    VCORE_INACTIVE,
    VCORE_PREEMPT,
    VCORE_RUNNING,
    VCORE_SLEEPING,
    HostThread,
)
from emu.hv.ops import Await, ConditionKind, RunGuest, Write

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.invariants.family import Before, StandsAt
    from emu.hv.kvm import Vcore
    from emu.hv.ops import Op

NAMES: Final = ("INACTIVE", "PREEMPT", "SLEEPING", "RUNNING", "EXITING")
# What may follow upon each state of a vcore.
GRAPH: Final = {
    VCORE_INACTIVE: {VCORE_PREEMPT, VCORE_SLEEPING, VCORE_RUNNING},
    VCORE_PREEMPT: {VCORE_INACTIVE},
    VCORE_SLEEPING: {VCORE_INACTIVE},
    VCORE_RUNNING: {VCORE_EXITING},
    VCORE_EXITING: {VCORE_INACTIVE},
}


class VcoreStates(Family):
    """Looks at entry_exit, the states, the runner, and DPDES while the host runs."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._shared = not host.generation.independent_threads
        self._actors = {who: number for number, who in enumerate(host.actors)}
        self._entry_exit = {vcore.entry_exit: vcore for vcore in host.vcores}
        self._was = {ref: self.words[ref] for ref in self._entry_exit}
        self._first: dict[int, int] = {}  # by entry_exit: the actor that began to exit
        self._states = {vcore.state: vcore for vcore in host.vcores}
        self._state_was = {ref: self.words[ref] for ref in self._states}
        self._runners = {vcore.runner: vcore for vcore in host.vcores}
        # What a thread writes when it takes an interrupt for its own.
        self._acknowledged = {cpu.thread.xics_ipi: cpu for cpu in host.cpus if cpu.tir}
        self._hardware = {
            *(cpu.subproc.dpdes for cpu in host.cpus),
            *(vcpu.thread_cpu for vcpu in host.vcpus),
            *(cpu.running for cpu in host.cpus),
        }

    def wants(self, op: Op) -> bool:
        """It looks at who goes on and off the hardware."""
        ref = written(op)
        if ref in self._hardware:
            return True
        if not self._shared:
            return isinstance(op, RunGuest)
        known = (self._entry_exit, self._states, self._runners, self._acknowledged)
        return isinstance(op, RunGuest) or any(ref in refs for refs in known)

    def after(self, step: Step) -> str | None:
        """Look at a step of a vcore's life."""
        return self._step(step) or self._host_dpdes()

    def idle(self) -> str | None:
        """Nobody who can run, or has been told to come out, is forgotten."""
        words = self.words
        for vcore in self.host.vcores if self._shared else ():
            if words[vcore.state] == VCORE_RUNNING and words[vcore.entry_exit] >= EXITING:
                return f"an exit that was asked for comes about: {vcore.name} has threads inside"
        for vcpu in self.host.vcpus:
            if words[vcpu.state] == RUNNABLE and not (
                words[vcpu.ceded] or words[vcpu.in_userspace]
            ):
                return f"a vcpu that can run does: {vcpu.name} is runnable, and waits for ever"
        return None

    def _step(self, step: Step) -> str | None:
        if not self._shared:
            return None
        if step.before:
            return self._runs_on(step.before)
        ref = written(step.op)
        if ref in self._entry_exit:
            return self._entries(step, ref, self._entry_exit[ref])
        if ref in self._states:
            return self._moves(ref, self._states[ref])
        if ref in self._runners:
            return self._driven(self._runners[ref])
        if ref in self._acknowledged and isinstance(step.op, Write) and not step.op.value:
            return self._in_kernel(step, self._acknowledged[ref])
        return None

    def _entries(self, step: Step, ref: int, vcore: Vcore) -> str | None:
        before, now = self._was[ref], self.words[ref]
        self._was[ref] = now
        if before < EXITING <= now:
            self._first[ref] = self._actors[step.who]
        if now == before:
            return None
        if now == 0:
            if self.words[vcore.state] == VCORE_RUNNING:
                return f"entry_exit starts anew between two runs: {vcore.name} runs"
            return None
        if now & 0xFF != before & 0xFF and before >= EXITING:
            return f"no thread enters once one has begun to exit: {vcore.name} {now:#x}"
        if vcore.kvm.policy.entry_exit == "map" and now >> 8 & ~now & 0xFF:
            return f"only threads that entered exit: {vcore.name} has {now:#x}"
        if now < before:
            return f"who has begun to exit goes on: {vcore.name} went from {before:#x} to {now:#x}"
        return None

    def _moves(self, ref: int, vcore: Vcore) -> str | None:
        before, now = self._state_was[ref], self.words[ref]
        self._state_was[ref] = now
        if now != before and now not in GRAPH[before]:
            return (
                f"a vcore's state changes as the graph says: {vcore.name} went from "
                f"{NAMES[before]} to {NAMES[now]}"
            )
        return self._driven(vcore)

    def _driven(self, vcore: Vcore) -> str | None:
        state = self.words[vcore.state]
        if state != VCORE_INACTIVE and not self.words[vcore.runner]:
            return f"a vcore has a runner unless it is inactive: {vcore.name} is {NAMES[state]}"
        return None

    def _in_kernel(self, step: Step, cpu: HostThread) -> str | None:
        """A sibling that was grabbed leaves an interrupt to the hypervisor's own code."""
        words = self.words
        if step.who is not cpu or words[cpu.hwthread_state] != HWTHREAD_IN_KERNEL:
            return None
        for vcore in self.host.vcores:
            if cpu in vcore.secondaries and words[vcore.state] == VCORE_RUNNING:
                return (
                    f"siblings of a running vcore stay out of the host kernel: {cpu.name} is in "
                    f"it while {vcore.name} runs"
                )
        return None

    def _runs_on(self, before: Before) -> str | None:
        """Who begins to exit pulls the others out before it waits for them."""
        vcore, words = before.vcpu.vcore, self.words
        first = self._first.get(vcore.entry_exit)
        if words[vcore.entry_exit] < EXITING or first is None:
            return None
        op = self.stands_at(first)
        ran = words[before.vcpu.arch.ic] != before.insns
        if ran and isinstance(op, Await) and _is_outside(op, vcore):
            return (
                f"who exits first pulls the others out: {before.vcpu.name} runs on, and "
                f"{self.host.actor_name(first)} waits for it"
            )
        return None

    def _host_dpdes(self) -> str | None:
        """The host never holds a guest's doorbell in DPDES."""
        host, words = self.host, self.words
        if self._shared:
            idle = [
                vcore.threads[0]
                for vcore in host.vcores
                if not words[vcore.threads[0].running] and words[vcore.state] == VCORE_INACTIVE
            ]
        else:
            inside = {words[vcpu.thread_cpu] for vcpu in host.vcpus}
            idle = [cpu for cpu in host.cpus if 1 + cpu.number not in inside]
        for cpu in idle:
            if words[cpu.subproc.dpdes]:
                return f"DPDES is 0 whenever the host runs: cpu{cpu.number} has a bit set"
        return None


def _is_outside(op: Await, vcore: Vcore) -> bool:
    """Whether somebody who waits so has left the guest, and waits for the others of its core."""
    return any(
        condition.kind is ConditionKind.ALL_OUT
        or (condition.ref == vcore.in_guest and condition.kind is ConditionKind.NONE)
        for condition in op.conditions
    )
