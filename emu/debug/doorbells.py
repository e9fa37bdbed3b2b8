"""Where privileged doorbells pend for a vcpu, on each host generation, and how one is made to.

POWER9: in the hypervisor's doorbell_request, or in the DPDES of the thread that the vcpu runs on.
POWER8: in the DPDES of the (sub)core while the virtual core is in the guest, else in the vcore's;
the word that is not in use keeps an old value. POWER7: nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emu.hv.host import Host
    from emu.hv.kvm import HostThread, Vcpu

WORD: Final = (1 << 64) - 1


class Places(NamedTuple):
    """The bits that say whether a thread has a doorbell: any of them set = it has. (ref, mask)."""

    now: tuple[tuple[int, int], ...]
    ever: tuple[int, ...]  # all words that this depends on


def threads_per_vcore(vcpu: Vcpu) -> int:
    """How many threads the guest sees in a virtual core."""
    return max(vcpu.kvm.smt_mode, vcpu.kvm.emul_smt_mode)


def virtual_thread(vcpu: Vcpu) -> tuple[int, int]:
    """The virtual core that the guest sees a vcpu in, and its thread number there (TIR)."""
    return divmod(vcpu.vcpu_id, threads_per_vcore(vcpu))


def of_core(host: Host, vcpu: Vcpu) -> dict[int, Places]:
    """Where doorbells pend for each thread of the virtual core that the guest sees a vcpu in."""
    core = virtual_thread(vcpu)[0]
    members = [other for other in vcpu.kvm.vcpus if virtual_thread(other)[0] == core]
    return {virtual_thread(member)[1]: of_vcpu(host, member) for member in members}


def of_vcpu(host: Host, vcpu: Vcpu) -> Places:
    """Where a doorbell pends for a vcpu."""
    generation, words = host.generation, host.words
    if not (generation.native_doorbells or generation.independent_threads):
        return Places((), ())
    vcore, mine = vcpu.vcore, (vcpu,)
    holder = _holder(host, vcore.vcpus if generation.native_doorbells else mine)
    held: tuple[tuple[int, int], ...] = ()
    if holder is not None:
        bit = vcpu.ptid if generation.native_doorbells else words[holder.thread.tir]
        held = ((_dpdes(host, holder), 1 << bit),)
    holders = [word for cpu in host.cpus for word in (cpu.thread.vcpu, cpu.subproc.dpdes)]
    if not generation.native_doorbells:
        here = (vcpu.doorbell_request, WORD)
        return Places((here, *held), (vcpu.doorbell_request, *holders))
    core = vcore.threads[0].subproc
    inside = words[vcore.in_guest] and words[core.lpid] == vcpu.kvm.lpid
    # On its way out the core's word is copied, and then cleared.
    saving = words[vcore.in_guest] and words[core.dpdes]
    live = core.dpdes if inside or saving else vcore.dpdes
    ever = (vcore.dpdes, core.lpid, vcore.in_guest, *holders)
    return Places(held or ((live, 1 << vcpu.ptid),), ever)


def _holder(host: Host, vcpus: Sequence[Vcpu]) -> HostThread | None:
    """Return a hardware thread that has the registers of one of these."""
    indices = {1 + vcpu.index for vcpu in vcpus}
    return next((cpu for cpu in host.cpus if host.words[cpu.thread.vcpu] in indices), None)


def _dpdes(host: Host, cpu: HostThread) -> int:
    """Return the DPDES that a hardware thread has now."""
    return host.machine.ref("subproc", host.words[cpu.thread.subproc], "dpdes")


def pending(host: Host, vcpu: Vcpu) -> bool:
    """Whether a doorbell pends for a vcpu."""
    return any(host.words[ref] & mask for ref, mask in of_vcpu(host, vcpu).now)


def rung(host: Host, vcpu: Vcpu, before: Mapping[int, int] | None = None) -> dict[int, int]:
    """State words that make a doorbell pend for a vcpu, and see to it that it takes it.

    before: words that are going to be written with them. Raises ConfigError on a host without
    doorbells.
    """
    words = dict(before or {})
    vcore = vcpu.vcore

    def put(ref: int, mask: int) -> None:
        words[ref] = words.get(ref, host.words[ref]) | mask

    if host.generation.native_doorbells:
        # Entering and leaving the guest copy one word to the other: in both, it is in neither lost.
        put(vcore.dpdes, 1 << vcpu.ptid)
        for ref, mask in of_vcpu(host, vcpu).now:
            put(ref, mask)
        core = vcore.threads[0].subproc
        if host.words[vcore.in_guest] or host.words[core.lpid] == vcpu.kvm.lpid:
            put(core.dpdes, 1 << vcpu.ptid)
    elif host.generation.independent_threads:
        words[vcpu.doorbell_request] = 1
        thread = host.words[vcpu.thread_cpu]
        if thread:
            words[vcpu.kvm.cpus[thread - 1].thread.hdoorbell] = 1
    else:
        raise ConfigError(f"a {host.generation.name} host has no doorbells")
    words[vcpu.awake] = 1
    return words


def changed(host: Host, vcpu: Vcpu, value: int) -> dict[int, int]:
    """State words that make exactly these doorbells of a vcpu's virtual core pend: bit = thread.

    Raises ConfigError for a thread that is not there, or a host without doorbells.
    """
    threads = of_core(host, vcpu)
    known = sum(1 << thread for thread in threads)
    if value & ~known:
        raise ConfigError(
            f"the threads of this virtual core are {known:#x} in DPDES, got {value:#x}"
        )
    words: dict[int, int] = {}
    for places in threads.values():
        for ref, mask in places.now:
            words[ref] = words.get(ref, host.words[ref]) & ~mask & WORD
    core = virtual_thread(vcpu)[0]
    for other in vcpu.kvm.vcpus:
        if virtual_thread(other)[0] == core and value >> virtual_thread(other)[1] & 1:
            words = rung(host, other, words)
    if not host.generation.native_doorbells and not host.generation.independent_threads:
        raise ConfigError(f"a {host.generation.name} host has no doorbells")
    return words
