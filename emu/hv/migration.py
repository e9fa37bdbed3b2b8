"""Takes a VM out of one host and puts it into another, with all that is pending.

Both work on a VM whose vcpus are in userspace, so no host code is under way for any of them, and a
vcpu's state is what KVM would tell userspace, and the little that KVM itself keeps.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emu.errors import ConfigError, ImageError
from emu.hv.kvm import PENDING_EXTERNAL
from emu.hv.one_reg import (
    BY_NAME,
    GUEST_LPCR,
    doorbell_pending,
    get_one_reg,
    set_doorbell,
    set_one_reg,
)
from emu.hv.rtas import clock_at_timebase_0, last_words, set_clock
from emu.hv.saved import (
    AREAS,
    EXTRA,
    PAGE,
    SAVED_ONE_REGS,
    SOURCE,
    SavedFirmware,
    SavedVcpu,
    SavedVm,
)
from emu.hv.virtual_cpu import VirtualCpu
from emu.hv.xics import icp_deliver_irq

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.icp import Source
    from emu.hv.kvm import Vcpu
    from emu.hv.vm import Vm

WORD = (1 << 64) - 1
ZEROS = bytes(PAGE)


def take_out(vm: Vm) -> SavedVm:
    """Save a VM that is stopped (`Vm.stop`); ConfigError if it is not."""
    host, kvm = vm.host, vm.kvm
    words = host.words
    running = [vcpu.vcpu_id for vcpu in vm.vcpus if not words[vcpu.in_userspace]]
    if running:
        raise ConfigError(f"a VM must be stopped before it is saved, and vcpu {running[0]} is not")
    first = vm.vcpus[0]
    return SavedVm(
        memory=vm.memory,
        smt=vm.smt,
        timebase=host.guest_tb(first),
        vtb=get_one_reg(host, first, BY_NAME["VTB"].id),
        lpcr=words[first.vcore.lpcr] & GUEST_LPCR,
        random=host.machine.state.rng,
        console_input=vm.input[words[kvm.console_in] :],
        ends=tuple(sorted(vm.ends)),
        hcalls=tuple(sorted(vm.on_hcall)),
        vcpus=tuple(_take_vcpu(host, vcpu) for vcpu in vm.vcpus),
        sources=tuple(_take_source(host, vm, source) for source in kvm.sources),
        firmware=SavedFirmware(clock_at_timebase_0(vm), last_words(vm)) if vm.firmware else None,
        pages=_take_pages(host.machine.memory(vm.number)),
    )


def _take_vcpu(host: Host, vcpu: Vcpu) -> SavedVcpu:
    words, arch = host.words, vcpu.arch
    return SavedVcpu(
        id=vcpu.vcpu_id,
        regs=VirtualCpu(host, vcpu).get_regs(),
        one_regs={name: get_one_reg(host, vcpu, BY_NAME[name].id) for name in SAVED_ONE_REGS},
        extra={name: words[getattr(arch, name)] for name in EXTRA},
        flags={
            "ceded": bool(words[vcpu.ceded]),
            "prodded": bool(words[vcpu.prodded]),
            "doorbell": doorbell_pending(host, vcpu),
            "external": bool(words[vcpu.pending_exceptions] & PENDING_EXTERNAL),
            "decrementer": bool(words[arch.dec_armed]),
            "stopped": bool(words[vcpu.stopped]),
        },
        dec_expires=words[arch.dec_expires],
        resend_map=words[vcpu.icp.resend_map],
        areas={name: words[getattr(vcpu, name)] for name in AREAS},
    )


def _take_source(host: Host, vm: Vm, source: Source) -> dict[str, int]:
    found = {name: host.words[getattr(source, name)] for name in SOURCE if name != "level"}
    # Vcpus are numbered in their own VM here: elsewhere it may be the only one.
    return {**found, "level": int(source.lsi), "server": found["server"] - vm.vcpus[0].index}


def _take_pages(memory: memoryview) -> dict[int, bytes]:
    pages = {}
    for number in range(len(memory) // PAGE):
        page = bytes(memory[number * PAGE : (number + 1) * PAGE])
        if page != ZEROS:
            pages[number] = page
    return pages


def move_in(vm: Vm, saved: SavedVm) -> None:
    """Fill a VM of the right shape (`Host.restore_vm`) before its first instruction.

    Raises ImageError for what this host cannot take over.
    """
    host, kvm = vm.host, vm.kvm
    words = host.words
    missing = set(saved.hcalls) - set(vm.on_hcall)
    if missing:
        raise ImageError(f"the saved VM needs a machine that handles hcall {min(missing):#x}")
    # The host's time is at least the guest's, so that no time of the guest is before its start.
    host.machine.state.tb = max(host.machine.state.tb, saved.timebase)
    host.machine.state.rng = saved.random
    kvm.tb_offset = (saved.timebase - host.machine.state.tb) & WORD
    kvm.vtb_offset = (saved.vtb - host.machine.state.tb) & WORD
    for number, page in saved.pages.items():
        host.machine.write(vm.number, number * PAGE, page)
    for address in saved.ends:
        vm.end_at(address)
    if saved.firmware is not None:
        set_clock(vm, saved.firmware.clock)
        vm.said_before = saved.firmware.said
    for vcore in kvm.vcores:
        words[vcore.lpcr] |= saved.lpcr & GUEST_LPCR
    for source, state in zip(kvm.sources, saved.sources, strict=True):
        for name in SOURCE:
            if name != "level":
                words[getattr(source, name)] = state[name]
        words[source.server] = state["server"] + vm.vcpus[0].index
    for vcpu, of in zip(vm.vcpus, saved.vcpus, strict=True):
        _put_vcpu(host, vcpu, of)
    _resend(host, vm)


def _put_vcpu(host: Host, vcpu: Vcpu, of: SavedVcpu) -> None:
    words, arch = host.words, vcpu.arch
    VirtualCpu(host, vcpu).set_regs(of.regs)
    words[arch.ic] = of.one_regs["IC"]  # before PURR and SPURR, which count from it
    for name, value in of.one_regs.items():
        if name != "ICP_STATE":
            set_one_reg(host, vcpu, BY_NAME[name].id, value)
    for name, value in of.extra.items():
        words[getattr(arch, name)] = value
    words[arch.dec_armed] = of.flags["decrementer"]
    words[arch.dec_expires] = of.dec_expires
    words[vcpu.ceded] = of.flags["ceded"]
    words[vcpu.prodded] = of.flags["prodded"]
    words[vcpu.stopped] = of.flags["stopped"]
    for name, value in of.areas.items():
        words[getattr(vcpu, name)] = value
    words[vcpu.icp.resend_map] = of.resend_map
    try:
        set_one_reg(host, vcpu, BY_NAME["ICP_STATE"].id, of.one_regs["ICP_STATE"])
    except ConfigError as error:
        raise ImageError(f"the saved VM cannot be: {error}") from None
    if of.flags["external"]:
        words[vcpu.pending_exceptions] |= PENDING_EXTERNAL
    else:
        words[vcpu.pending_exceptions] &= ~PENDING_EXTERNAL
    try:
        set_doorbell(host, vcpu, pending=of.flags["doorbell"])
    except ConfigError as error:
        raise ImageError(f"the saved VM cannot run here: {error}") from None


def _resend(host: Host, vm: Vm) -> None:
    """Try what was refused again: ICP_STATE does not say that something was (as KVM does)."""
    for vcpu in vm.vcpus:
        for source in vm.kvm.sources:
            if host.words[vcpu.icp.resend_map] >> source.index & 1:
                host.words[vcpu.icp.resend_map] &= ~(1 << source.index)
                host.perform(vcpu, partial(icp_deliver_irq, vcpu, source, check_resend=True))
