"""One-regs: a vcpu's registers under the ids of KVM_GET_ONE_REG and KVM_SET_ONE_REG.

An id says the architecture, the size and the number of a register, as Linux's uapi has them
(arch/powerpc/include/uapi/asm/kvm.h; Documentation/virt/kvm/api.rst, KVM_SET_ONE_REG). The table
holds those that mean something on this machine; KVM has more (floating point, vectors,
transactional memory). General registers have no one-reg in KVM: see `VirtualCpu.get_regs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.hv.icp import CPPR, LEAST_FAVOURED, MFRR, OUT_EE, PENDING_PRI, XICS_IPI, XISR, icp_word
from emu.isa.bits import bits
from emu.isa.msr import mask

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

KVM_REG_PPC: Final = 0x1000_0000_0000_0000
_SIZES: Final = {32: 0x0020_0000_0000_0000, 64: 0x0030_0000_0000_0000}
WORD: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class OneReg:
    """name: KVM_REG_PPC_ and this. nbits: 32 or 64. field: the core's, if it is just that."""

    name: str
    number: int
    nbits: int
    field: str

    @property
    def id(self) -> int:
        """The id of the ioctl."""
        return KVM_REG_PPC | _SIZES[self.nbits] | self.number


def _rows() -> tuple[OneReg, ...]:
    rows = []
    for line in _TABLE.splitlines():
        if line.strip():
            name, number, nbits, *field = line.split()
            rows.append(OneReg(name, int(number, 16), int(nbits), field[0] if field else ""))
    return tuple(rows)


# KVM_REG_PPC_   number  bits  field (none: see _get and _set)
_TABLE: Final = """
    DABR         0x08    64    dabr
    DSCR         0x09    64    dscr
    PURR         0x0a    64
    SPURR        0x0b    64
    DAR          0x0c    64    dar
    DSISR        0x0d    32    dsisr
    AMR          0x0e    64    amr
    UAMOR        0x0f    64    uamor
    MMCR0        0x10    64    mmcr0
    MMCR1        0x11    64    mmcr1
    MMCRA        0x12    64    mmcra
    MMCR2        0x13    64    mmcr2
    SIAR         0x15    64    siar
    SDAR         0x16    64    sdar
    SIER         0x17    64    sier
    PMC1         0x18    32    pmc1
    PMC2         0x19    32    pmc2
    PMC3         0x1a    32    pmc3
    PMC4         0x1b    32    pmc4
    PMC5         0x1c    32    pmc5
    PMC6         0x1d    32    pmc6
    ICP_STATE    0x8c    64
    TB_OFFSET    0x9c    64
    IAMR         0x9f    64    iamr
    TFHAR        0xa0    64    tfhar
    TFIAR        0xa1    64    tfiar
    TEXASR       0xa2    64    texasr
    FSCR         0xa3    64    fscr
    PSPB         0xa4    32    pspb
    EBBHR        0xa5    64    ebbhr
    EBBRR        0xa6    64    ebbrr
    BESCR        0xa7    64    bescr
    TAR          0xa8    64    tar
    DPDES        0xa9    64
    DAWR         0xaa    64    dawr0
    DAWRX        0xab    64    dawrx0
    CIABR        0xac    64    ciabr
    IC           0xad    64    ic
    VTB          0xae    64
    PID          0xb2    64    pid
    VRSAVE       0xb4    32    vrsave
    LPCR         0xb5    32
    LPCR_64      0xb5    64
    PPR          0xb6    64    ppr
    DABRX        0xb8    32    dabrx
    DEC_EXPIRY   0xbe    64
"""

ONE_REGS: Final = _rows()
BY_ID: Final = {row.id: row for row in ONE_REGS}
BY_NAME: Final = {row.name: row for row in ONE_REGS}

# What userspace may change of the LPCR.
GUEST_LPCR: Final = mask("LPCR", "ILE", "AIL")

# KVM keeps the guest's timebase a multiple of this ahead of the host's.
TB_OFFSET_UNIT: Final = 1 << 24


def one_reg(number: int) -> OneReg:
    """Return the row of an id; ConfigError if there is none."""
    try:
        return BY_ID[number]
    except KeyError:
        raise ConfigError(
            f"a one-reg id must be one of KVM's for registers of this machine, got {number:#x}"
        ) from None


def get_one_reg(host: Host, vcpu: Vcpu, number: int) -> int:
    """Read a register as KVM_GET_ONE_REG does; the vcpu need not be stopped."""
    row = one_reg(number)
    plain = bool(row.field)
    value: int = host.words[getattr(vcpu.arch, row.field)] if plain else _get(host, vcpu, row.name)
    return value & ((1 << row.nbits) - 1)


def set_one_reg(host: Host, vcpu: Vcpu, number: int, value: int) -> None:
    """Write a register as KVM_SET_ONE_REG does; ConfigError for an id or a value it cannot have."""
    row = one_reg(number)
    if not 0 <= value < 1 << row.nbits:
        raise ConfigError(f"{row.name} has {row.nbits} bits, got {value:#x}")
    if row.field:
        host.words[getattr(vcpu.arch, row.field)] = value
    else:
        _set(host, vcpu, row.name, value)


def _get(host: Host, vcpu: Vcpu, name: str) -> int:
    words = host.words
    match name:
        case "PURR":
            return words[vcpu.arch.ic] + words[vcpu.arch.purr_offset]
        case "SPURR":
            return words[vcpu.arch.ic] + words[vcpu.arch.spurr_offset]
        case "ICP_STATE":
            return words[vcpu.icp.state] & ~0xFFFF
        case "TB_OFFSET":
            return vcpu.kvm.tb_offset
        case "VTB":
            return words[vcpu.pcpu.timebase] + vcpu.kvm.vtb_offset
        case "DPDES":
            return get_dpdes(host, vcpu)
        case "DEC_EXPIRY":
            return words[vcpu.arch.dec_expires]
    return words[vcpu.vcore.lpcr]  # LPCR, LPCR_64


def _set(host: Host, vcpu: Vcpu, name: str, value: int) -> None:
    words = host.words
    match name:
        case "PURR":
            words[vcpu.arch.purr_offset] = (value - words[vcpu.arch.ic]) & WORD
        case "SPURR":
            words[vcpu.arch.spurr_offset] = (value - words[vcpu.arch.ic]) & WORD
        case "ICP_STATE":
            _set_icp(host, vcpu, value)
        case "TB_OFFSET":
            host.must_not_have_run("the timebase offset is set")
            vcpu.kvm.tb_offset = -(-value // TB_OFFSET_UNIT) * TB_OFFSET_UNIT & WORD
        case "VTB":
            host.must_not_have_run("the virtual timebase is set")
            vcpu.kvm.vtb_offset = (value - words[vcpu.pcpu.timebase]) & WORD
        case "DPDES":
            set_dpdes(host, vcpu, value)
        case "DEC_EXPIRY":
            words[vcpu.arch.dec_expires] = value
            words[vcpu.arch.dec_armed] = 1
        case "LPCR" | "LPCR_64":
            for vcore in vcpu.kvm.vcores:
                words[vcore.lpcr] = words[vcore.lpcr] & ~GUEST_LPCR | value & GUEST_LPCR


def _set_icp(host: Host, vcpu: Vcpu, value: int) -> None:
    """Check as kvmppc_xics_set_icp() does that something is pending for a reason."""
    cppr, xisr = bits(value, *CPPR), bits(value, *XISR)
    mfrr, pending = bits(value, *MFRR), bits(value, *PENDING_PRI)
    numbers = {source.number for source in vcpu.kvm.sources}
    if xisr == 0:
        valid = pending == LEAST_FAVOURED
    elif xisr == XICS_IPI:
        valid = pending == mfrr and pending < cppr
    else:
        valid = xisr in numbers and pending < mfrr and pending < cppr
    if not valid:
        raise ConfigError(
            "the priority of ICP_STATE must be that of its XISR (0xff for none, the MFRR for an "
            f"IPI), and be more favoured than the CPPR, got {value:#018x}"
        )
    state = icp_word(cppr, xisr, mfrr, pending)
    host.words[vcpu.icp.state] = state
    host.set_external(vcpu, level=bool(state & OUT_EE))


# ---- doorbells: what is pending, whatever the host generation ---------------------------------


def doorbell_pending(host: Host, vcpu: Vcpu) -> bool:
    """Whether a privileged doorbell is pending for a vcpu, wherever the host keeps it now."""
    words = host.words
    if host.generation.native_doorbells:
        return bool(words[_core_dpdes(host, vcpu)] >> vcpu.ptid & 1)
    if words[vcpu.doorbell_request]:
        return True
    cpu = words[vcpu.thread_cpu]
    return bool(cpu and words[vcpu.kvm.cpus[cpu - 1].subproc.dpdes])


def _core_dpdes(host: Host, vcpu: Vcpu) -> int:
    """Return the word that holds the doorbells of a vcpu's virtual core (native doorbells)."""
    vcore = vcpu.vcore
    return vcore.threads[0].subproc.dpdes if host.words[vcore.in_guest] else vcore.dpdes


def set_doorbell(host: Host, vcpu: Vcpu, *, pending: bool) -> None:
    """Make a vcpu's doorbell pending or not; ConfigError on a host without doorbells."""
    words, generation = host.words, host.generation
    if generation.native_doorbells:
        ref = _core_dpdes(host, vcpu)
        words[ref] = words[ref] & ~(1 << vcpu.ptid) | int(pending) << vcpu.ptid
        return
    if not generation.independent_threads:
        if pending:
            raise ConfigError(f"{generation.name} has no doorbells: vcpu {vcpu.vcpu_id} has one")
        return
    words[vcpu.doorbell_request] = int(pending)
    cpu = words[vcpu.thread_cpu]
    if cpu:
        words[vcpu.kvm.cpus[cpu - 1].subproc.dpdes] = 0
        host.kick(vcpu)


def get_dpdes(host: Host, vcpu: Vcpu) -> int:
    """Return KVM_REG_PPC_DPDES: the whole virtual core's on POWER8; else its own, in bit 63."""
    if host.generation.native_doorbells:
        return host.words[_core_dpdes(host, vcpu)]
    return int(doorbell_pending(host, vcpu))


def set_dpdes(host: Host, vcpu: Vcpu, value: int) -> None:
    """Set KVM_REG_PPC_DPDES: the whole virtual core's on POWER8, last writer wins; else bit 63."""
    if host.generation.native_doorbells:
        host.words[_core_dpdes(host, vcpu)] = value & (1 << len(vcpu.vcore.threads)) - 1
        return
    set_doorbell(host, vcpu, pending=bool(value & 1))
