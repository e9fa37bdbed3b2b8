"""THE table of interrupts: name, vector, save registers, what masks them, who comes first.

Source: Power ISA v3.0B Book III, Interrupts (interrupt definitions, interrupt priorities). The
book leaves the order of some asynchronous interrupts to the implementation; `order` fixes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Save = Literal["SRR", "HSRR"]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """One interrupt.

    name: C identifier in lower case.
    vector: effective address offset, before LPCR[AIL].
    save: the pair of registers that takes the address and the MSR. External is SRR for the guest;
    with LPCR[LPES0] = 0 it belongs to the hypervisor and uses HSRR.
    order: among asynchronous interrupts that are pending together the lowest goes first;
    0 = synchronous, caused by the instruction at hand.
    enabled_by: the bits that let it in, "" = always.
    ail: whether LPCR[AIL] moves the vector.
    since: first host generation that has it (7, 8, 9).
    """

    name: str
    vector: int
    save: Save
    order: int
    enabled_by: str
    title: str
    summary: str
    ail: bool = True
    since: int = 7

    @property
    def synchronous(self) -> bool:
        """Whether an instruction causes it."""
        return self.order == 0

    @property
    def source(self) -> str:
        """Where the row comes from."""
        return f"Power ISA v3.0B Book III, Interrupt Definitions, {self.title} Interrupt"


# The ruler: name, vector, save, order, enabled by, title, what happened.
INTERRUPTS: Final = (
    Interrupt(
        "system_reset",
        0x100,
        "SRR",
        1,
        "",
        "System Reset",
        "reset, or a wake from power saving: SRR1[42:45] says why",
        ail=False,
    ),
    Interrupt(
        "machine_check", 0x200, "SRR", 2, "ME", "Machine Check", "the hardware failed", ail=False
    ),
    Interrupt(
        "data_storage",
        0x300,
        "SRR",
        0,
        "",
        "Data Storage",
        "a load or store may not touch DAR; DSISR says why",
    ),
    Interrupt(
        "data_segment", 0x380, "SRR", 0, "", "Data Segment", "no segment for the address in DAR"
    ),
    Interrupt(
        "instruction_storage",
        0x400,
        "SRR",
        0,
        "",
        "Instruction Storage",
        "an instruction may not be fetched from SRR0; SRR1[33:36] says why",
    ),
    Interrupt(
        "instruction_segment",
        0x480,
        "SRR",
        0,
        "",
        "Instruction Segment",
        "no segment for the address in SRR0",
    ),
    Interrupt(
        "external",
        0x500,
        "SRR",
        6,
        "EE",
        "External",
        "a device or the hypervisor (LPCR[MER]) asks; pending until accepted",
    ),
    Interrupt(
        "alignment",
        0x600,
        "SRR",
        0,
        "",
        "Alignment",
        "an access that must be aligned was not, or does not exist in little-endian mode",
    ),
    Interrupt(
        "program",
        0x700,
        "SRR",
        0,
        "",
        "Program",
        "illegal, privileged or trap: SRR1[42:46] says which",
    ),
    Interrupt(
        "fp_unavailable",
        0x800,
        "SRR",
        0,
        "",
        "Floating-Point Unavailable",
        "a floating-point instruction with MSR[FP] = 0",
    ),
    Interrupt(
        "decrementer",
        0x900,
        "SRR",
        7,
        "EE",
        "Decrementer",
        "DEC is negative; pending until DEC is written",
    ),
    Interrupt(
        "hypervisor_decrementer",
        0x980,
        "HSRR",
        4,
        "HDICE and (EE or not HV)",
        "Hypervisor Decrementer",
        "HDEC is negative",
    ),
    Interrupt(
        "doorbell",
        0xA00,
        "SRR",
        8,
        "EE",
        "Directed Privileged Doorbell",
        "msgsndp to this thread; taking it clears this thread's bit of DPDES",
        since=8,
    ),
    Interrupt(
        "system_call", 0xC00, "SRR", 0, "", "System Call", "sc; with LEV = 1 it is the hypervisor's"
    ),
    Interrupt(
        "trace",
        0xD00,
        "SRR",
        0,
        "SE or BE",
        "Trace",
        "an instruction (SE) or a branch (BE) completed",
    ),
    Interrupt(
        "hypervisor_data_storage",
        0xE00,
        "HSRR",
        0,
        "",
        "Hypervisor Data Storage",
        "a guest's access that the hypervisor's translation refuses",
    ),
    Interrupt(
        "hypervisor_instruction_storage",
        0xE20,
        "HSRR",
        0,
        "",
        "Hypervisor Instruction Storage",
        "a guest's fetch that the hypervisor's translation refuses",
    ),
    Interrupt(
        "emulation_assistance",
        0xE40,
        "HSRR",
        0,
        "",
        "Hypervisor Emulation Assistance",
        "an instruction this machine does not have; HEIR holds its image",
    ),
    Interrupt(
        "hypervisor_maintenance",
        0xE60,
        "HSRR",
        3,
        "HMEER and (EE or not HV)",
        "Hypervisor Maintenance",
        "HMER and HMEER have a bit in common",
    ),
    Interrupt(
        "hypervisor_doorbell",
        0xE80,
        "HSRR",
        9,
        "EE or not HV",
        "Directed Hypervisor Doorbell",
        "msgsnd to this thread",
        since=8,
    ),
    Interrupt(
        "hypervisor_virtualization",
        0xEA0,
        "HSRR",
        5,
        "HVICE and (EE or not HV)",
        "Hypervisor Virtualization",
        "the interrupt controller asks the hypervisor",
        since=9,
    ),
    Interrupt(
        "performance_monitor", 0xF00, "SRR", 10, "EE", "Performance Monitor", "a counter overflowed"
    ),
    Interrupt(
        "vector_unavailable",
        0xF20,
        "SRR",
        0,
        "",
        "Vector Unavailable",
        "a vector instruction with MSR[VEC] = 0",
    ),
    Interrupt(
        "vsx_unavailable",
        0xF40,
        "SRR",
        0,
        "",
        "VSX Unavailable",
        "a VSX instruction with MSR[VSX] = 0",
    ),
    Interrupt(
        "facility_unavailable",
        0xF60,
        "SRR",
        0,
        "",
        "Facility Unavailable",
        "a facility that FSCR or the MSR disables; FSCR[0:7] says which",
        since=8,
    ),
    Interrupt(
        "hypervisor_facility_unavailable",
        0xF80,
        "HSRR",
        0,
        "",
        "Hypervisor Facility Unavailable",
        "a facility that HFSCR disables; HFSCR[0:7] says which",
        since=8,
    ),
)

BY_NAME: Final = {row.name: row for row in INTERRUPTS}
BY_VECTOR: Final = {row.vector: row for row in INTERRUPTS}

# LPCR[AIL] = 3 with IR = DR = 1: vectors move here.
AIL3_BASE: Final = 0xC000_0000_0000_4000


def asynchronous() -> tuple[Interrupt, ...]:
    """Asynchronous interrupts, the one that goes first first."""
    return tuple(sorted((row for row in INTERRUPTS if row.order), key=lambda row: row.order))
