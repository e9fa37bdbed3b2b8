"""The facilities that FSCR and HFSCR make available, one row each.

Instructions and SPRs name their facility by the `name` of a row. Source: Power ISA v3.0B Book III,
Branch Facility and Interrupts (FSCR, HFSCR, Facility Unavailable interrupts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Facility:
    """A facility that can be made unavailable, and the interruption code (IC) that says so.

    ic: value of FSCR[0:7] or HFSCR[0:7] when its use interrupts. The same number is, counted
    from the right, the bit that enables it in FSCR and HFSCR.
    fscr: FSCR has the bit; it governs problem state only.
    hfscr: HFSCR has the bit; it governs problem and privileged non-hypervisor state.
    msr: the MSR bit that must be 1 as well, or "".
    """

    name: str
    ic: int
    fscr: bool
    hfscr: bool
    msr: str
    summary: str


FACILITIES: Final = (
    Facility("FP", 0, fscr=False, hfscr=True, msr="FP", summary="floating point"),
    Facility("VECVSX", 1, fscr=False, hfscr=True, msr="VEC", summary="vector and VSX"),
    Facility("DSCR", 2, fscr=True, hfscr=True, msr="", summary="data stream control register"),
    Facility("PM", 3, fscr=False, hfscr=True, msr="", summary="performance monitor SPRs"),
    Facility("BHRB", 4, fscr=False, hfscr=True, msr="", summary="branch history rolling buffer"),
    Facility("TM", 5, fscr=False, hfscr=True, msr="TM", summary="transactional memory"),
    Facility("EBB", 7, fscr=True, hfscr=True, msr="", summary="event-based branches"),
    Facility("TAR", 8, fscr=True, hfscr=True, msr="", summary="target address register"),
    Facility("MSGP", 10, fscr=False, hfscr=True, msr="", summary="msgsndp, msgclrp, TIR, DPDES"),
    Facility("SCV", 12, fscr=True, hfscr=False, msr="", summary="system call vectored"),
)

BY_NAME: Final = {row.name: row for row in FACILITIES}
