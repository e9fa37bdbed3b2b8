"""Host generations: what differs between POWER7, POWER8 and POWER9, as data.

Source: DESIGN's table; kvm.md sections 1, 2.6 and 5; Power ISA 2.06, 2.07 and v3.0B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emu.errors import ConfigError
from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.msr import mask


def _hfscr(*names: str) -> int:
    """Return the HFSCR with these facilities available."""
    return sum(1 << FACILITIES[name].ic for name in names)


@dataclass(frozen=True, slots=True)
class Generation:
    """One host generation.

    number: 7, 8 or 9, as the core knows it.
    threads_per_core: hardware threads.
    independent_threads: each thread is a partition (sub-processor) of its own.
    native_doorbells: msgsndp is the hardware's; else it traps (POWER9) or does not exist.
    msgsnd: the host can interrupt a thread by it; else by the interrupt controller.
    subcores: into how many subcores a core can be split.
    pvr: processor version register, as guests see it.
    smt_modes: what KVM_CAP_PPC_SMT may be set to.
    hfscr: facilities a guest may have. demanded: those of them that start switched off.
    """

    name: str
    number: int
    threads_per_core: int
    independent_threads: bool
    native_doorbells: bool
    msgsnd: bool
    subcores: tuple[int, ...]
    pvr: int
    smt_modes: tuple[int, ...]
    lpcr: int
    hfscr: int
    demanded: int


POWER7: Final = Generation(
    name="power7",
    number=7,
    threads_per_core=4,
    independent_threads=False,
    native_doorbells=False,
    msgsnd=False,
    subcores=(1,),
    pvr=0x3F0203,
    smt_modes=(1, 2, 4),
    lpcr=mask("LPCR", "HDICE"),
    hfscr=0,  # it has none
    demanded=0,
)

POWER8: Final = Generation(
    name="power8",
    number=8,
    threads_per_core=8,
    independent_threads=False,
    native_doorbells=True,
    msgsnd=True,
    subcores=(1, 2, 4),
    pvr=0x4D0200,
    smt_modes=(1, 2, 4, 8),
    lpcr=mask("LPCR", "HDICE"),
    hfscr=_hfscr("TAR", "EBB", "PM", "BHRB", "DSCR", "VECVSX", "FP", "MSGP"),
    demanded=0,
)

POWER9: Final = Generation(
    name="power9",
    number=9,
    threads_per_core=4,
    independent_threads=True,
    native_doorbells=False,
    msgsnd=True,
    subcores=(1,),
    pvr=0x4E1202,
    smt_modes=(1, 2, 4, 8),
    lpcr=mask("LPCR", "HDICE", "LD"),
    hfscr=_hfscr("TAR", "EBB", "PM", "BHRB", "DSCR", "VECVSX", "FP"),
    demanded=_hfscr("EBB", "PM"),
)

GENERATIONS: Final = {row.name: row for row in (POWER7, POWER8, POWER9)}


def generation(name: str) -> Generation:
    """Return a generation by its name; ConfigError if there is none."""
    try:
        return GENERATIONS[name]
    except KeyError:
        raise ConfigError(f"host must be {', '.join(GENERATIONS)}, got {name}") from None
