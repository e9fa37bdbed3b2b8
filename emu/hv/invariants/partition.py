"""Who is in which partition: LPIDR, in_guest, and which vcpu is loaded into which thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.invariants.family import Family, Step, written
from emu.hv.kvm import VCORE_INACTIVE, HostThread
from emu.hv.ops import RunGuest, Write

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.invariants.family import Before, StandsAt
    from emu.hv.kvm import Vcore, Vcpu
    from emu.hv.ops import Op


class Partition(Family):
    """No guest instruction runs under another's LPID, and no two partitions share a core."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._lpids = {cpu.subproc.lpid: cpu for cpu in host.cpus if cpu.tir == 0}
        self._now = {ref: self.words[ref] for ref in self._lpids}
        self._states = {vcore.state: vcore for vcore in host.vcores}
        self._places = {vcpu.thread_cpu: vcpu for vcpu in host.vcpus}
        self._shared = not host.generation.independent_threads

    def wants(self, op: Op) -> bool:
        """It looks at guests, at LPIDR, and at who is where."""
        if isinstance(op, RunGuest):
            return True
        ref = written(op)
        return ref in self._lpids or ref in self._states or ref in self._places

    def after(self, step: Step) -> str | None:
        """Look at a step that moves a partition, or runs in it."""
        match step.op:
            case RunGuest() if step.before:
                return self._in_guest(step.before)
            case Write(ref=ref, value=lpid) if ref in self._lpids:
                return self._switched(step, ref, lpid)
            case Write(ref=ref, value=value) if ref in self._states:
                return self._left(self._states[ref]) if value == VCORE_INACTIVE else None
            case Write(ref=ref, value=value) if ref in self._places and value:
                return self._placed(self._places[ref], value)
        return None

    def _in_guest(self, before: Before) -> str | None:
        """Partition safety, wherever a guest instruction may have run."""
        words, vcpu, cpu = self.words, before.vcpu, before.cpu
        if words[cpu.subproc.lpid] != vcpu.kvm.lpid:
            return (
                f"no guest instruction runs under another LPID: {vcpu.name} ran under "
                f"{words[cpu.subproc.lpid]}, its VM has {vcpu.kvm.lpid}"
            )
        for other in self.host.cpus:
            if other is not cpu and words[other.thread.vcpu] == 1 + vcpu.index:
                return f"a vcpu is on one thread: {vcpu.name} is on {cpu.name} and {other.name}"
        if not self._shared:
            return None
        if not words[vcpu.vcore.in_guest]:
            return f"no guest instruction runs before in_guest is set: {vcpu.name} did"
        if vcpu.kvm.policy.thread_assignment == "aligned" and cpu.tir != vcpu.ptid:
            return f"a vcpu runs on the hardware thread of its number: {vcpu.name} ran on {cpu.tir}"
        return None

    def _placed(self, vcpu: Vcpu, cpu: int) -> str | None:
        for other in self.host.vcpus:
            if other is not vcpu and self.words[other.thread_cpu] == cpu:
                both = f"{vcpu.name} and {other.name}"
                return f"a thread holds at most one vcpu: cpu{cpu - 1} has {both}"
        return None

    def _switched(self, step: Step, ref: int, lpid: int) -> str | None:
        """Thread 0 alone switches the MMU, and back only when everybody is out."""
        was, self._now[ref] = self._now[ref], lpid
        primary = self._lpids[ref]
        if was and lpid and was != lpid:
            return f"LPIDR is the host's in between: {primary.name} went from {was} to {lpid}"
        if not self._shared:
            return None
        if isinstance(step.who, HostThread) and step.who.tir:
            return f"only thread 0 writes LPIDR: {step.who.name} wrote {lpid}"
        for vcore in self.host.vcores:
            if vcore.threads[0] is not primary or not self.words[vcore.in_guest]:
                continue
            if lpid:
                return f"a core is in one partition at a time: {vcore.name} is in it, got {lpid}"
            map_ = self.words[vcore.entry_exit]
            if map_ >> 8 & 0xFF != map_ & 0xFF:
                return (
                    "LPIDR goes back to the host's when every thread is out: "
                    f"{vcore.name} has {map_:#x}"
                )
        return None

    def _left(self, vcore: Vcore) -> str | None:
        """A vcore has been left when none of its threads works for it any more."""
        words, mine = self.words, {1 + vcpu.index for vcpu in vcore.vcpus}
        for cpu in vcore.secondaries:
            if words[cpu.kvm_vcore] == 1 + vcore.host_number:
                return (
                    f"run_core goes on when every thread gave up {vcore.name}: {cpu.name} did not"
                )
        for cpu in vcore.threads:
            if words[cpu.thread.vcpu] in mine:
                return f"a core that was left holds no vcpu: {cpu.name} has one of {vcore.name}"
        return None
