"""The XICS: an interrupt that may be presented is, and one that was accepted waits for its EOI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.icp import FIRST_SOURCE, icp_fields
from emu.hv.invariants.family import Family, Step
from emu.hv.kvm import PENDING_EXTERNAL, Vcpu
from emu.hv.ops import CompareAndSet, CompareAndSwap, RunGuest
from emu.hv.xics import H_EOI, H_XIRR, H_XIRR_X, XICS_HCALLS

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.icp import Source
    from emu.hv.invariants.family import Before, StandsAt
    from emu.hv.ops import Op

ACCEPTING: Final = (H_XIRR, H_XIRR_X)


class Xics(Family):
    """Looks at every change of a controller, and at guests while nobody changes one."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._icps = {vcpu.icp.state: vcpu for vcpu in host.vcpus}
        self._was = {ref: self.words[ref] for ref in self._icps}
        self._sources = {source.pq: source for kvm in host.kvms for source in kvm.sources}
        self._accepted: set[int] = set()  # the pq words of sources that wait for their EOI

    def wants(self, op: Op) -> bool:
        """It looks at controllers, at EOIs, and at guests."""
        match op:
            case CompareAndSwap(ref=ref):
                return ref in self._icps
            case CompareAndSet(ref=ref):
                return ref in self._sources
        return isinstance(op, RunGuest)

    def after(self, step: Step) -> str | None:
        """Look at a change, or at a guest that could take what is pending."""
        match step.op:
            case CompareAndSwap(ref=ref):
                return self._changed(step, ref)
            case CompareAndSet(ref=ref):
                if isinstance(step.who, Vcpu) and self.hcall(step.who) == H_EOI:
                    self._accepted.discard(ref)
            case RunGuest() if step.before and self._quiet(step):
                return self._presented(step.before)
        return None

    def _changed(self, step: Step, ref: int) -> str | None:
        before, now = icp_fields(self._was[ref]), icp_fields(self.words[ref])
        self._was[ref] = self.words[ref]
        target = self._icps[ref]
        if before["xisr"] == now["xisr"]:
            return None
        if now["xisr"] >= FIRST_SOURCE:
            source = self._source(target, now["xisr"])
            if source is not None and source.pq in self._accepted:
                return (
                    f"an accepted interrupt waits for its EOI: source {source.number} is "
                    f"presented to {target.name} again"
                )
        accepts = isinstance(step.who, Vcpu) and self.hcall(step.who) in ACCEPTING
        if accepts and step.who is target and not now["xisr"]:
            source = self._source(target, before["xisr"])
            if source is not None:
                self._accepted.add(source.pq)
        return None

    def _source(self, target: Vcpu, number: int) -> Source | None:
        index = number - FIRST_SOURCE
        sources = target.kvm.sources
        return sources[index] if 0 <= index < len(sources) else None

    def _quiet(self, step: Step) -> bool:
        """Whether nobody is in the middle of changing a controller of this VM."""
        assert step.before is not None
        me = step.before.vcpu
        if step.exited and self.hcall(me) in XICS_HCALLS:
            return False
        if any(self.words[source.lock] for source in me.kvm.sources):
            return False
        busy = [v for v in me.kvm.vcpus if v is not me and self.hcall(v) in XICS_HCALLS]
        if not busy:
            return True
        ops = (self.stands_at(number) for number in range(len(self.host.actors)))
        inside = {1 + op.thread for op in ops if isinstance(op, RunGuest)}
        return all(self.words[vcpu.thread_cpu] in inside for vcpu in busy)  # their last is over

    def _presented(self, before: Before) -> str | None:
        vcpu, words = before.vcpu, self.words
        icp = icp_fields(words[vcpu.icp.state])
        if icp["out_ee"] and not words[vcpu.pending_exceptions] & PENDING_EXTERNAL:
            return f"a presented interrupt is pending: {vcpu.name} has source {icp['xisr']}"
        if icp["mfrr"] < icp["cppr"] and icp["mfrr"] < icp["pending_pri"]:
            return (
                f"an IPI that is favoured enough is presented: {vcpu.name} has MFRR "
                f"{icp['mfrr']:#x}, CPPR {icp['cppr']:#x}, and XISR {icp['xisr']}"
            )
        least = min(icp["cppr"], icp["mfrr"], icp["pending_pri"])
        for source in vcpu.kvm.sources:
            refused = words[source.resend] and words[source.server] == vcpu.index
            if refused and words[source.priority] < least:
                return (
                    f"a refused interrupt comes when the CPPR allows: source {source.number} "
                    f"waits for {vcpu.name}"
                )
        return None
