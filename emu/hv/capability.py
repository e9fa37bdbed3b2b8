"""Capabilities: what userspace asks KVM about threads, and may set; and which vcpu ids follow.

Source: include/uapi/linux/kvm.h for the numbers; kvm_vm_ioctl_check_extension() of powerpc.c;
kvmhv_set_smt_mode(), kvmppc_pack_vcpu_id() and kvmppc_core_vcpu_create_hv() of book3s_hv.c.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError

if TYPE_CHECKING:
    from emu.hv.topology import Hardware

# It is NR_CPUS (asm/kvm_host.h), which powernv_defconfig makes 2048, as distributions do.
KVM_MAX_VCPUS: Final = 2048
MAX_SMT_THREADS: Final = 8
# Where the ids of each further block of KVM_MAX_VCPUS go, between those of the blocks before.
BLOCK_OFFSETS: Final = (0, 4, 2, 6, 1, 5, 3, 7)


class Capability(IntEnum):
    """Capabilities, by KVM's numbers."""

    PPC_SMT = 64
    PPC_SMT_POSSIBLE = 147


def possible_smt_modes(hardware: Hardware) -> tuple[int, ...]:
    """Return the virtual SMT modes of a host: on POWER7 and POWER8 a subcore's threads bound them.

    On POWER9 each vcpu runs by itself, and the mode is what the guest is made to believe.
    """
    modes = hardware.generation.smt_modes
    if hardware.generation.independent_threads:
        return modes
    return tuple(mode for mode in modes if mode <= hardware.threads_per_subcore)


def check_smt_mode(hardware: Hardware, mode: int) -> None:
    """Raise ConfigError unless this host can give a VM this SMT mode."""
    name, modes = hardware.generation.name, hardware.generation.smt_modes
    if mode not in modes:
        raise ConfigError(f"smt must be one of {', '.join(map(str, modes))} on {name}, got {mode}")
    if mode not in possible_smt_modes(hardware):
        raise ConfigError(
            f"smt must be at most the {hardware.threads_per_subcore} threads of a subcore, "
            f"got {mode}"
        )


def host_capability(hardware: Hardware, capability: Capability) -> int:
    """Answer KVM_CHECK_EXTENSION on /dev/kvm.

    PPC_SMT: threads of a virtual core by default. PPC_SMT_POSSIBLE: bit N (LSB = 0) = mode 2**N.
    """
    if capability is Capability.PPC_SMT:
        return hardware.threads_per_subcore
    return sum(possible_smt_modes(hardware))


def vcpu_slot(hardware: Hardware, smt: int, vcpu_id: int) -> int:
    """Return a vcpu's number in KVM's table: no two vcpus of a VM may have the same one.

    It is the id on POWER7 and POWER8. On POWER9 the table has KVM_MAX_VCPUS entries, and ids may be
    `smt` times as large, for guests that leave threads out. Raises ConfigError for an id out of
    range.
    """
    if not 0 <= vcpu_id < KVM_MAX_VCPUS * smt:
        raise ConfigError(
            f"a vcpu id must be 0 to {KVM_MAX_VCPUS * smt - 1} with smt {smt}, got {vcpu_id}"
        )
    if hardware.generation.independent_threads:
        return kvmppc_pack_vcpu_id(vcpu_id, smt)
    return vcpu_id


def kvmppc_pack_vcpu_id(vcpu_id: int, smt: int) -> int:
    """Pack an id below KVM_MAX_VCPUS * smt into KVM_MAX_VCPUS entries.

    0 for an id that comes to lie outside of them, as KVM does after its warning.
    """
    block = vcpu_id // KVM_MAX_VCPUS * (MAX_SMT_THREADS // smt)
    if block >= MAX_SMT_THREADS:
        return 0
    packed = vcpu_id % KVM_MAX_VCPUS + BLOCK_OFFSETS[block]
    return packed if packed < KVM_MAX_VCPUS else 0
