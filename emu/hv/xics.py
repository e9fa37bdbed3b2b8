"""The XICS that KVM emulates: presentation of interrupts by priority, and its hcalls.

A controller's state is one word that everybody replaces by compare and swap; each update below
reads it, computes in private words, and begins again if somebody was quicker. Who makes an
interrupt pending sets the target's `pending_exceptions` and kicks it; only the target itself drops
it again, before it updates its own state. The same functions serve real mode (POWER7, POWER8) and
virtual mode.

Source: book3s_xics.c and book3s_hv_rm_xics.c; PAPR, "Interrupt Source and Presentation".
"""

from __future__ import annotations

from typing import Final

from emu.hv.icp import (
    CPPR,
    FIRST_SOURCE,
    LEAST_FAVOURED,
    MFRR,
    NEED_RESEND,
    OUT_EE,
    PENDING_PRI,
    PRESENTED,
    QUEUED,
    XICS_IPI,
    XIRR,
    XISR,
    Source,
    field_mask,
)
from emu.hv.ipi import kvmppc_fast_vcpu_kick_hv
from emu.hv.kvm import PENDING_EXTERNAL, Vcpu
from emu.hv.ops import (
    Await,
    Check,
    Clear,
    Compare,
    CompareAndSet,
    CompareAndSwap,
    Copy,
    Deposit,
    Extract,
    HostCode,
    OneOf,
    Or,
    Read,
    Sum,
    Write,
    nonzero,
    zero,
)
from emu.isa.hcalls import BY_NAME, RETURN_CODES

H_EOI: Final = BY_NAME["H_EOI"].number
H_CPPR: Final = BY_NAME["H_CPPR"].number
H_IPI: Final = BY_NAME["H_IPI"].number
H_IPOLL: Final = BY_NAME["H_IPOLL"].number
H_XIRR: Final = BY_NAME["H_XIRR"].number
H_XIRR_X: Final = BY_NAME["H_XIRR_X"].number
XICS_HCALLS: Final = frozenset((H_EOI, H_CPPR, H_IPI, H_IPOLL, H_XIRR, H_XIRR_X))

H_SUCCESS: Final = RETURN_CODES["H_SUCCESS"]
H_PARAMETER: Final = RETURN_CODES["H_PARAMETER"]

BYTE: Final = (56, 63)  # of an hcall argument
XIRR_CPPR: Final = (32, 39)
XIRR_XISR: Final = (40, 63)
XISR_MASK: Final = field_mask(*XISR)
PENDING_MASK: Final = field_mask(*PENDING_PRI)


def kvmppc_xics_hcall(vcpu: Vcpu, number: int) -> HostCode[int]:
    """Handle one of XICS_HCALLS; returns the code for r3."""
    if number in (H_XIRR, H_XIRR_X):
        yield from _h_xirr(vcpu)
        if number == H_XIRR_X:
            yield Sum(vcpu.gpr(5), vcpu.kvm.cpus[0].timebase, vcpu.kvm.tb_offset)
        return H_SUCCESS
    if number == H_CPPR:
        yield from _h_cppr(vcpu)
        return H_SUCCESS
    if number == H_EOI:
        code: int = yield from _h_eoi(vcpu)
        return code
    target = yield from _server(vcpu)
    if target is None:
        return H_PARAMETER
    if number == H_IPI:
        yield from _h_ipi(vcpu, target)
    else:
        yield Copy(vcpu.icp.old, target.icp.state)
        yield Extract(vcpu.gpr(4), vcpu.icp.old, *XIRR)
        yield Extract(vcpu.gpr(5), vcpu.icp.old, *MFRR)
    return H_SUCCESS


def _server(vcpu: Vcpu) -> HostCode[Vcpu | None]:
    """Return the vcpu that r4 names; server numbers are vcpu ids."""
    ids = tuple(other.vcpu_id for other in vcpu.kvm.vcpus)
    server = yield OneOf(vcpu.gpr(4), ids)
    return None if server is None else vcpu.kvm.find_vcpu(server)


def _h_xirr(vcpu: Vcpu) -> HostCode[None]:
    """Accept: r4 := XIRR, CPPR := the priority of what was pending. Nothing pending: no change."""
    icp = vcpu.icp
    yield Clear(vcpu.pending_exceptions, PENDING_EXTERNAL)
    while True:
        yield Copy(icp.old, icp.state)
        yield Extract(vcpu.gpr(4), icp.old, *XIRR)
        if (yield Check(zero(icp.old, XISR_MASK))):
            return
        yield Copy(icp.new, icp.old)
        yield Extract(icp.left, icp.old, *PENDING_PRI)
        yield Deposit(icp.new, icp.left, *CPPR)
        yield Or(icp.new, PENDING_MASK)
        yield Clear(icp.new, XISR_MASK)
        if (yield from _icp_try_update(vcpu, vcpu)):
            return


def _h_cppr(vcpu: Vcpu) -> HostCode[None]:
    """Set the CPPR to r4; what is pending and no longer favoured enough is rejected."""
    icp = vcpu.icp
    yield Extract(icp.argument, vcpu.gpr(4), *BYTE)
    yield Extract(icp.left, icp.state, *CPPR)  # only this vcpu changes it
    order = yield Compare(icp.argument, icp.left)
    if order > 0:
        yield from _icp_down_cppr(vcpu)
    if order >= 0:
        return
    yield Clear(vcpu.pending_exceptions, PENDING_EXTERNAL)
    while True:
        yield Copy(icp.old, icp.state)
        yield Copy(icp.new, icp.old)
        yield Deposit(icp.new, icp.argument, *CPPR)
        yield Write(icp.rejected, 0)
        yield Extract(icp.left, icp.old, *PENDING_PRI)
        if (yield Compare(icp.argument, icp.left)) <= 0:
            yield Extract(icp.rejected, icp.old, *XISR)
            yield Clear(icp.new, XISR_MASK)
            yield Or(icp.new, PENDING_MASK)
        if (yield from _icp_try_update(vcpu, vcpu)):
            break
    yield from _deliver_rejected(vcpu)


def _icp_down_cppr(vcpu: Vcpu) -> HostCode[None]:
    """Make the CPPR less favoured (icp.argument): an IPI, or what was refused, may come now."""
    icp = vcpu.icp
    while True:
        yield Copy(icp.old, icp.state)
        yield Copy(icp.new, icp.old)
        yield Deposit(icp.new, icp.argument, *CPPR)
        yield Extract(icp.left, icp.old, *MFRR)
        yield Extract(icp.right, icp.old, *PENDING_PRI)
        if (yield Compare(icp.left, icp.argument)) < 0 and (
            yield Compare(icp.left, icp.right)
        ) <= 0:
            yield from _present_ipi(vcpu, icp.left)
        yield Clear(icp.new, NEED_RESEND)
        if (yield from _icp_try_update(vcpu, vcpu)):
            break
    if (yield Check(nonzero(icp.old, NEED_RESEND))):
        yield from _icp_check_resend(vcpu, vcpu)


def _h_eoi(vcpu: Vcpu) -> HostCode[int]:
    """End of interrupt: restore the CPPR from XIRR (r4), then let the source come again."""
    icp = vcpu.icp
    yield Extract(icp.argument, vcpu.gpr(4), *XIRR_CPPR)
    yield from _icp_down_cppr(vcpu)
    yield Extract(icp.left, vcpu.gpr(4), *XIRR_XISR)
    numbers = (XICS_IPI, *(source.number for source in vcpu.kvm.sources))
    number = yield OneOf(icp.left, numbers)
    if number is None:
        return H_PARAMETER
    if number != XICS_IPI:
        yield from _source_eoi(vcpu, vcpu.kvm.sources[number - FIRST_SOURCE])
    return H_SUCCESS


def _source_eoi(vcpu: Vcpu, source: Source) -> HostCode[None]:
    while True:
        pq = yield Read(source.pq, limit=PRESENTED | QUEUED)
        after = pq if source.lsi else pq >> 1
        if (yield CompareAndSet(source.pq, pq, after)):
            break
    if after & PRESENTED:
        yield from icp_deliver_irq(vcpu, source)


def _h_ipi(vcpu: Vcpu, target: Vcpu) -> HostCode[None]:
    """Set a server's MFRR to r5, which presents an IPI there if it is favoured enough."""
    icp, state = vcpu.icp, target.icp.state
    yield Extract(icp.argument, vcpu.gpr(5), *BYTE)
    while True:
        yield Copy(icp.old, state)
        yield Copy(icp.new, icp.old)
        yield Deposit(icp.new, icp.argument, *MFRR)
        yield Write(icp.rejected, 0)
        yield Extract(icp.left, icp.old, *CPPR)
        yield Extract(icp.right, icp.old, *PENDING_PRI)
        if (yield Compare(icp.argument, icp.left)) < 0 and (
            yield Compare(icp.argument, icp.right)
        ) <= 0:
            yield Extract(icp.rejected, icp.old, *XISR)
            yield from _present_ipi(vcpu, icp.argument)
        yield Extract(icp.left, icp.old, *MFRR)
        resend = False
        if (yield Compare(icp.argument, icp.left)) > 0:
            resend = yield Check(nonzero(icp.old, NEED_RESEND))
            yield Clear(icp.new, NEED_RESEND)
        if (yield from _icp_try_update(vcpu, target)):
            break
    yield from _deliver_rejected(vcpu)
    if resend:
        yield from _icp_check_resend(vcpu, target)


def _present_ipi(vcpu: Vcpu, mfrr: int) -> HostCode[None]:
    """Put an IPI of the priority in a word into the state that is being made."""
    yield Clear(vcpu.icp.new, XISR_MASK)
    yield Or(vcpu.icp.new, XICS_IPI << (63 - XISR[1]))
    yield Deposit(vcpu.icp.new, mfrr, *PENDING_PRI)


def _icp_try_update(vcpu: Vcpu, target: Vcpu) -> HostCode[bool]:
    """Replace the state `old` of a vcpu's controller by `new`; False: it is not `old` any more.

    The interrupt line is only ever raised here: somebody else may be raising it too, and to drop
    it is for the target alone, before its own update.
    """
    icp = vcpu.icp
    yield Clear(icp.new, OUT_EE)
    yield Extract(icp.left, icp.new, *PENDING_PRI)
    yield Extract(icp.right, icp.new, *CPPR)
    out_ee = False
    if (yield Check(nonzero(icp.new, XISR_MASK))) and (yield Compare(icp.left, icp.right)) < 0:
        yield Or(icp.new, OUT_EE)
        out_ee = True
    if not (yield CompareAndSwap(target.icp.state, icp.old, icp.new)):
        return False
    if out_ee:
        yield Or(target.pending_exceptions, PENDING_EXTERNAL)
        if target is not vcpu:
            yield from kvmppc_fast_vcpu_kick_hv(vcpu, target)
    return True


# ---- sources ---------------------------------------------------------------------------------


def _deliver_rejected(vcpu: Vcpu) -> HostCode[None]:
    """Find another way for a source that was displaced; an IPI is still in its MFRR."""
    numbers = tuple(source.number for source in vcpu.kvm.sources)
    number = yield OneOf(vcpu.icp.rejected, numbers)
    if number is not None:
        yield from icp_deliver_irq(vcpu, vcpu.kvm.sources[number - FIRST_SOURCE])


def _icp_check_resend(vcpu: Vcpu, target: Vcpu) -> HostCode[None]:
    """Try the sources again that a controller refused."""
    sources = vcpu.kvm.sources
    for source in sources:
        if (yield Check(nonzero(target.icp.resend_map, 1 << source.index))):
            yield Clear(target.icp.resend_map, 1 << source.index)
            yield from icp_deliver_irq(vcpu, source, check_resend=True)


def icp_deliver_irq(vcpu: Vcpu, source: Source, *, check_resend: bool = False) -> HostCode[None]:
    """Present a source at its server, and whatever that displaces after it.

    check_resend: only if it is still waiting for this.
    """
    here: Source | None = source
    while here is not None:
        here = yield from _deliver(vcpu, here, check_resend)
        check_resend = False


def _deliver(vcpu: Vcpu, source: Source, check_resend: bool) -> HostCode[Source | None]:
    """Try once; returns what is to be delivered next: a displaced source, or the same again."""
    while not (yield CompareAndSet(source.lock, 0, 1)):
        yield Await(zero(source.lock))
    again = yield from _deliver_locked(vcpu, source, check_resend)
    yield Write(source.lock, 0)
    return again


def _deliver_locked(vcpu: Vcpu, source: Source, check_resend: bool) -> HostCode[Source | None]:
    kvm = vcpu.kvm
    if check_resend and not (yield Read(source.resend, limit=1)):
        return None
    yield Write(source.resend, 0)
    index = yield OneOf(source.server, tuple(other.index for other in kvm.vcpus))
    if index is None:
        return None
    target = next(other for other in kvm.vcpus if other.index == index)
    yield Copy(vcpu.icp.priority, source.priority)
    if (yield Read(vcpu.icp.priority, limit=LEAST_FAVOURED)) == LEAST_FAVOURED:
        yield Write(source.masked_pending, 1)
        return None
    if (yield from _icp_try_to_deliver(vcpu, target, source)):
        number = yield OneOf(vcpu.icp.rejected, tuple(other.number for other in kvm.sources))
        return None if number is None else kvm.sources[number - FIRST_SOURCE]
    yield Write(source.resend, 1)
    yield Or(target.icp.resend_map, 1 << source.index)
    # The server may have taken need_resend since it refused, and then it missed the bit.
    if not (yield Check(nonzero(target.icp.state, NEED_RESEND))):
        yield Write(source.resend, 0)
        return source
    return None


def _icp_try_to_deliver(vcpu: Vcpu, target: Vcpu, source: Source) -> HostCode[bool]:
    """Make a source the pending one of a controller, or leave it need_resend."""
    icp = vcpu.icp
    while True:
        yield Copy(icp.old, target.icp.state)
        yield Copy(icp.new, icp.old)
        yield Write(icp.rejected, 0)
        success = yield from _favoured(vcpu)
        if success:
            yield Extract(icp.rejected, icp.old, *XISR)
            yield Write(icp.left, source.number)
            yield Deposit(icp.new, icp.left, *XISR)
            yield Deposit(icp.new, icp.priority, *PENDING_PRI)
        else:
            yield Or(icp.new, NEED_RESEND)
        if (yield from _icp_try_update(vcpu, target)):
            return success


def _favoured(vcpu: Vcpu) -> HostCode[bool]:
    """Whether the source's priority beats CPPR, MFRR and what is pending."""
    icp = vcpu.icp
    for first, last in PRIORITIES:
        yield Extract(icp.left, icp.old, first, last)
        if (yield Compare(icp.priority, icp.left)) >= 0:
            return False
    return True


PRIORITIES: Final = (CPPR, MFRR, PENDING_PRI)


def kvmppc_xics_set_irq(vcpu: Vcpu, source: Source, level: int) -> HostCode[None]:
    """Signal a source (KVM_IRQ_LINE); a message needs no level, a line goes up (1) and down (0)."""
    while True:
        pq = yield Read(source.pq, limit=PRESENTED | QUEUED)
        if not source.lsi:
            after = (pq << 1 | PRESENTED) & (PRESENTED | QUEUED)
        elif level and pq & PRESENTED:
            return
        else:
            after = PRESENTED if level else 0
        if (yield CompareAndSet(source.pq, pq, after)):
            break
    if after == PRESENTED:
        yield from icp_deliver_irq(vcpu, source)
