"""What a guest's mfspr would read now of SPRs that are more than a word of the vcpu's state.

For people who look at a machine from outside; nothing is executed and nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.one_reg import doorbell_pending
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

WORD: Final = (1 << 64) - 1
LPCR_LD: Final = mask("LPCR", "LD")


def tir(host: Host, vcpu: Vcpu) -> int:
    """Its thread number: the hardware's while it is loaded into one that is not emulated."""
    if host.generation.independent_threads:
        return vcpu.vcpu_id & vcpu.kvm.emul_smt_mode - 1
    mine = 1 + vcpu.index
    loaded = (cpu.tir for cpu in vcpu.vcore.threads if host.words[cpu.thread.vcpu] == mine)
    return next(loaded, vcpu.ptid)


def dpdes(host: Host, vcpu: Vcpu) -> int:
    """The doorbells pending in its virtual core: bit = thread number (LSB = 0), each exact."""
    mode = vcpu.kvm.emul_smt_mode or vcpu.kvm.smt_mode
    first = vcpu.vcpu_id & -mode
    threads = (vcpu.kvm.find_vcpu(first + thread) for thread in range(mode))
    return sum(
        doorbell_pending(host, other) << thread
        for thread, other in enumerate(threads)
        if other is not None
    )


def dec(host: Host, vcpu: Vcpu) -> int:
    """The decrementer: 32 bits, or 56 with the sign extended to 64 if LPCR[LD].

    The largest number if it was never written: then it is off.
    """
    large = host.words[vcpu.vcore.lpcr] & LPCR_LD
    nbits = 56 if large else 32
    if not host.words[vcpu.arch.dec_armed]:
        return (1 << nbits - 1) - 1
    ticks = host.words[vcpu.arch.dec_expires] - 1 - host.guest_tb(vcpu) & (1 << nbits) - 1
    return (ticks ^ 1 << nbits - 1) - (1 << nbits - 1) & WORD if large else ticks


def tb(host: Host, vcpu: Vcpu) -> int:
    """The guest's timebase."""
    return host.guest_tb(vcpu)


READERS: Final[dict[str, Callable[[Host, Vcpu], int]]] = {
    "tir": tir, "dpdes": dpdes, "dec": dec, "tb": tb,
}  # fmt: skip
