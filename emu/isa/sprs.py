"""THE table of special purpose registers: number, name, access, facility and where its value lives.

One row a number; a register with two numbers (AMR 13 and 29) has two rows with one home. This
module knows nothing of machines: `home` is text that the C generator turns into an access.
Source of numbers, widths and privileges: Power ISA v3.0B Book III, Fixed-Point Facility, Move
To/From System Register Instructions (the SPR figure), and the ISA 2.06 and 2.07 editions of the
same figure for registers that later editions dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Access = Literal["problem", "privileged", "hypervisor"]

_ACCESS: Final[dict[str, Access | None]] = {
    "p": "problem",
    "s": "privileged",
    "h": "hypervisor",
    "-": None,
}


@dataclass(frozen=True, slots=True)
class Spr:
    """One SPR number.

    number: 0..1023, as mfspr and mtspr name it (the halves are swapped only in the word).
    name: the manual's name in lower case; where GNU as has mf<name> or mt<name>, its spelling.
    width: 32 or 64 bits; a 32-bit register reads zero-extended and keeps the low word of RS.
    read, write: the least privileged state that may; None = no such access exists (it then
    behaves as an undefined SPR number).
    home: `struct.field` of csrc/emu.abi.h, or, without a dot, the name of a C pair
    spr_read_<home>, spr_write_<home>, because the access does more than move a word.
    since, until: first and last host generation that has it (7, 8, 9); 0 = no limit.
    """

    number: int
    name: str
    width: int
    read: Access | None
    write: Access | None
    home: str
    summary: str
    facility: str = ""
    since: int = 7
    until: int = 0

    @property
    def special(self) -> bool:
        """Whether C reads and writes it through a named pair of functions."""
        return "." not in self.home

    @property
    def source(self) -> str:
        """Where the row comes from."""
        edition = "v3.0B" if self.until == 0 else {7: "2.06", 8: "2.07"}[self.until]
        return f"Power ISA {edition} Book III, Move To/From System Register Instructions"

    def exists_on(self, generation: int) -> bool:
        """Whether a host of this generation (7, 8, 9) has the register."""
        return self.since <= generation and not 0 < self.until < generation


def _spr(
    number: int,
    name: str,
    width: int,
    access: str,
    home: str,
    summary: str,
    *,
    facility: str = "",
    since: int = 7,
    until: int = 0,
) -> Spr:
    """Make one row; `access` is two letters, who reads and who writes: p s h or - for nobody."""
    read, write = (_ACCESS[letter] for letter in access)
    return Spr(number, name, width, read, write, home, summary, facility, since, until)


# The ruler: number, name, width, read/write by p(roblem) s(upervisor, "privileged") h(ypervisor)
# or - (nobody), home, meaning. In order of number.
#
# Bit 0x10 of the number is the book's spr0: 1 means that problem state never gets at it.
# "tb-like" homes count: what a read gives depends on machine.tb, so they are C pairs.
SPRS: Final = (
    _spr(1, "xer", 64, "pp", "xer", "fixed-point exceptions: SO OV CA OV32 CA32, string length"),
    _spr(
        3,
        "udscr",
        64,
        "pp",
        "vcpu.dscr",
        "data stream control, from problem state",
        facility="DSCR",
        since=8,
    ),
    _spr(8, "lr", 64, "pp", "vcpu.lr", "link register"),
    _spr(9, "ctr", 64, "pp", "vcpu.ctr", "count register"),
    _spr(13, "uamr", 64, "pp", "uamr", "AMR from problem state: UAMOR says which bits change"),
    _spr(17, "dscr", 64, "ss", "vcpu.dscr", "data stream control", facility="DSCR"),
    _spr(18, "dsisr", 32, "ss", "vcpu.dsisr", "cause of a data storage interrupt"),
    _spr(19, "dar", 64, "ss", "vcpu.dar", "address of a data storage or alignment interrupt"),
    _spr(22, "dec", 64, "ss", "dec", "decrementer: 32 bits, or large if LPCR[LD]"),
    _spr(25, "sdr1", 64, "hh", "subproc.sdr1", "hashed page table of the partition", until=8),
    _spr(26, "srr0", 64, "ss", "vcpu.srr0", "address to return to after an interrupt"),
    _spr(27, "srr1", 64, "ss", "vcpu.srr1", "MSR to return to after an interrupt, and its cause"),
    _spr(28, "cfar", 64, "ss", "vcpu.cfar", "address of the last branch taken"),
    _spr(29, "amr", 64, "ss", "amr", "authority masks for virtual page classes"),
    _spr(48, "pid", 32, "ss", "vcpu.pid", "process id"),
    _spr(61, "iamr", 64, "ss", "vcpu.iamr", "instruction authority masks", since=8),
    _spr(
        128,
        "tfhar",
        64,
        "pp",
        "vcpu.tfhar",
        "where a failed transaction continues",
        facility="TM",
        since=8,
    ),
    _spr(
        129, "tfiar", 64, "pp", "vcpu.tfiar", "where the transaction failed", facility="TM", since=8
    ),
    _spr(
        130, "texasr", 64, "pp", "vcpu.texasr", "why the transaction failed", facility="TM", since=8
    ),
    _spr(131, "texasru", 32, "pp", "texasru", "upper half of TEXASR", facility="TM", since=8),
    _spr(136, "ctrl", 32, "p-", "ctrl", "run latch of this thread, and those of its core"),
    _spr(152, "ctrl", 32, "-s", "ctrl", "run latch, where it is written"),
    _spr(
        153, "fscr", 64, "ss", "vcpu.fscr", "facilities that problem state may use, and IC", since=8
    ),
    _spr(157, "uamor", 64, "ss", "uamor", "bits of the AMR that problem state may change"),
    _spr(
        159, "pspb", 32, "ss", "vcpu.pspb", "how long problem state may boost its priority", since=8
    ),
    _spr(
        176,
        "dpdes",
        64,
        "sh",
        "dpdes",
        "bit t = thread t has a privileged doorbell pending",
        facility="MSGP",
        since=8,
    ),
    _spr(180, "dawr0", 64, "hh", "vcpu.dawr0", "data address watchpoint", since=8),
    _spr(186, "rpr", 64, "hh", "thread.rpr", "relative priorities of the threads", since=8),
    _spr(187, "ciabr", 64, "hh", "vcpu.ciabr", "completed instruction address breakpoint", since=8),
    _spr(188, "dawrx0", 32, "hh", "vcpu.dawrx0", "what DAWR0 matches", since=8),
    _spr(
        190, "hfscr", 64, "hh", "thread.hfscr", "facilities that the guest may use, and IC", since=8
    ),
    _spr(256, "vrsave", 32, "pp", "vcpu.vrsave", "which vector registers are in use"),
    _spr(259, "usprg3", 64, "p-", "vcpu.sprg3", "SPRG3 from problem state"),
    _spr(268, "tb", 64, "p-", "tb", "timebase"),
    _spr(269, "tbu", 32, "p-", "tbu", "timebase, upper half"),
    _spr(272, "sprg0", 64, "ss", "vcpu.sprg0", "for the operating system"),
    _spr(273, "sprg1", 64, "ss", "vcpu.sprg1", "for the operating system"),
    _spr(274, "sprg2", 64, "ss", "vcpu.sprg2", "for the operating system"),
    _spr(275, "sprg3", 64, "ss", "vcpu.sprg3", "for the operating system; problem state reads 259"),
    _spr(284, "tbl", 32, "-h", "tbl", "timebase, lower half, where it is written"),
    _spr(285, "tbu", 32, "-h", "tbu", "timebase, upper half, where it is written"),
    _spr(286, "tbu40", 64, "-h", "tbu40", "timebase, upper 40 bits, where they are written"),
    _spr(287, "pvr", 32, "s-", "vcpu.pvr", "processor version"),
    _spr(304, "hsprg0", 64, "hh", "thread.hsprg0", "for the hypervisor"),
    _spr(305, "hsprg1", 64, "hh", "thread.hsprg1", "for the hypervisor"),
    _spr(306, "hdsisr", 32, "hh", "thread.hdsisr", "cause of a hypervisor data storage interrupt"),
    _spr(307, "hdar", 64, "hh", "thread.hdar", "address of a hypervisor data storage interrupt"),
    _spr(308, "spurr", 64, "sh", "spurr", "scaled processor utilization: counts as PURR does here"),
    _spr(309, "purr", 64, "sh", "purr", "processor utilization: ticks this thread had the core"),
    _spr(310, "hdec", 64, "hh", "hdec", "hypervisor decrementer"),
    _spr(312, "rmor", 64, "hh", "subproc.rmor", "real mode offset of the guest", until=8),
    _spr(313, "hrmor", 64, "hh", "thread.hrmor", "real mode offset of the hypervisor"),
    _spr(314, "hsrr0", 64, "hh", "thread.hsrr0", "address to return to from the hypervisor"),
    _spr(315, "hsrr1", 64, "hh", "thread.hsrr1", "MSR to return to from the hypervisor"),
    _spr(318, "lpcr", 64, "hh", "thread.lpcr", "logical partitioning control"),
    _spr(319, "lpidr", 32, "hh", "subproc.lpid", "logical partition id"),
    _spr(336, "hmer", 64, "hh", "hmer", "hypervisor maintenance exceptions; a write ANDs"),
    _spr(337, "hmeer", 64, "hh", "thread.hmeer", "which of HMER's bits interrupt"),
    _spr(338, "pcr", 64, "hh", "subproc.pcr", "older ISA editions problem state is held to"),
    _spr(339, "heir", 32, "hh", "thread.heir", "image of the instruction to be emulated"),
    _spr(349, "amor", 64, "hh", "thread.amor", "bits of the AMR the guest may change"),
    _spr(
        446,
        "tir",
        64,
        "s-",
        "tir",
        "number of this thread within the sub-processor",
        facility="MSGP",
        since=8,
    ),
    _spr(464, "ptcr", 64, "hh", "thread.ptcr", "partition table", since=9),
    _spr(784, "sier", 64, "ss", "vcpu.sier", "sampled instruction event", facility="PM", since=8),
    _spr(
        785,
        "mmcr2",
        64,
        "ss",
        "vcpu.mmcr2",
        "performance monitor control 2",
        facility="PM",
        since=8,
    ),
    _spr(786, "mmcra", 64, "ss", "vcpu.mmcra", "performance monitor control A", facility="PM"),
    _spr(787, "pmc1", 32, "ss", "vcpu.pmc1", "performance monitor counter 1", facility="PM"),
    _spr(788, "pmc2", 32, "ss", "vcpu.pmc2", "performance monitor counter 2", facility="PM"),
    _spr(789, "pmc3", 32, "ss", "vcpu.pmc3", "performance monitor counter 3", facility="PM"),
    _spr(790, "pmc4", 32, "ss", "vcpu.pmc4", "performance monitor counter 4", facility="PM"),
    _spr(791, "pmc5", 32, "ss", "vcpu.pmc5", "performance monitor counter 5", facility="PM"),
    _spr(792, "pmc6", 32, "ss", "vcpu.pmc6", "performance monitor counter 6", facility="PM"),
    _spr(795, "mmcr0", 64, "ss", "vcpu.mmcr0", "performance monitor control 0", facility="PM"),
    _spr(796, "siar", 64, "ss", "vcpu.siar", "sampled instruction address", facility="PM"),
    _spr(797, "sdar", 64, "ss", "vcpu.sdar", "sampled data address", facility="PM"),
    _spr(798, "mmcr1", 64, "ss", "vcpu.mmcr1", "performance monitor control 1", facility="PM"),
    _spr(800, "bescrs", 64, "pp", "bescrs", "BESCR; a write sets bits", facility="EBB", since=8),
    _spr(
        801,
        "bescrsu",
        32,
        "pp",
        "bescrsu",
        "upper half of BESCR; a write sets bits",
        facility="EBB",
        since=8,
    ),
    _spr(802, "bescrr", 64, "pp", "bescrr", "BESCR; a write resets bits", facility="EBB", since=8),
    _spr(
        803,
        "bescrru",
        32,
        "pp",
        "bescrru",
        "upper half of BESCR; a write resets bits",
        facility="EBB",
        since=8,
    ),
    _spr(
        804, "ebbhr", 64, "pp", "vcpu.ebbhr", "event-based branch handler", facility="EBB", since=8
    ),
    _spr(
        805, "ebbrr", 64, "pp", "vcpu.ebbrr", "event-based branch return", facility="EBB", since=8
    ),
    _spr(
        806,
        "bescr",
        64,
        "pp",
        "vcpu.bescr",
        "branch event status and control",
        facility="EBB",
        since=8,
    ),
    _spr(815, "tar", 64, "pp", "vcpu.tar", "target address of bctar", facility="TAR", since=8),
    _spr(816, "asdr", 64, "hh", "thread.asdr", "segment descriptor of a hypervisor fault", since=9),
    _spr(
        823,
        "psscr_priv",
        64,
        "ss",
        "psscr_priv",
        "power saving, the part the guest may see",
        since=9,
    ),
    _spr(848, "ic", 64, "sh", "ic", "instructions completed by this thread", since=8),
    _spr(849, "vtb", 64, "sh", "vtb", "virtual timebase: ticks the partition ran", since=8),
    _spr(855, "psscr", 64, "hh", "thread.psscr", "power saving: status and control", since=9),
    _spr(885, "rwmr", 64, "hh", "thread.rwmr", "weights of the region the thread runs in", since=8),
    _spr(896, "ppr", 64, "pp", "vcpu.ppr", "program priority"),
    _spr(898, "ppr32", 32, "pp", "ppr32", "program priority: the upper half of PPR"),
    _spr(1008, "hid0", 64, "hh", "thread.hid0", "hardware implementation dependent 0"),
    _spr(1013, "dabr", 64, "hh", "vcpu.dabr", "data address breakpoint", until=7),
    _spr(1015, "dabrx", 64, "hh", "vcpu.dabrx", "what DABR matches", until=7),
    _spr(1023, "pir", 32, "s-", "thread.pir", "processor id"),
)

BY_NUMBER: Final = {row.number: row for row in SPRS}


def find_spr(name: str) -> tuple[Spr, ...]:
    """Rows of this name in any case, in order of number; () if there is none."""
    return tuple(row for row in SPRS if row.name == name.lower())


def is_privileged_number(number: int) -> bool:
    """Whether the number itself says "privileged": the book's spr0, value bit 0x10."""
    return bool(number & 0x10)
