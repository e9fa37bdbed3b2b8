"""The interrupt controller's state: one presentation controller a vcpu, and the sources of a VM.

Numbers, widths and defaults are KVM's (book3s_xics.h); what is done with them is in xics.py.
"""

from __future__ import annotations

from typing import Final

from emu.hv.state import Layout, Record, private, shared
from emu.isa.bits import bits

# Fields of Icp.state, in bits of the book. The first 48 are as KVM_REG_PPC_ICP_STATE has them.
CPPR: Final = (0, 7)
XISR: Final = (8, 31)
MFRR: Final = (32, 39)
PENDING_PRI: Final = (40, 47)
XIRR: Final = (0, 31)
NEED_RESEND: Final = 2
OUT_EE: Final = 1

LEAST_FAVOURED: Final = 0xFF
XICS_IPI: Final = 2
FIRST_SOURCE: Final = 16  # numbers below are reserved
MAX_SOURCES: Final = 64  # bits of Icp.resend_map


def field_mask(first: int, last: int) -> int:
    """Return the mask of bits first:last."""
    return ((1 << (last - first + 1)) - 1) << (63 - last)


RESET: Final = LEAST_FAVOURED << 24 | LEAST_FAVOURED << 16  # MFRR and pending priority


def icp_word(cppr: int, xisr: int, mfrr: int, pending_pri: int) -> int:
    """Return the state with these fields; out_ee follows from them, nothing needs a resend."""
    out_ee = OUT_EE if xisr and pending_pri < cppr else 0
    return cppr << 56 | xisr << 32 | mfrr << 24 | pending_pri << 16 | out_ee


class Icp(Record):
    """A vcpu's presentation controller. Lower priority numbers are more favoured, 0xff is none."""

    state = shared(
        "CPPR 0:7, XISR 8:31, MFRR 32:39, pending priority 40:47, need_resend 62, out_ee 63",
        initial=RESET,
    )
    resend_map = shared("sources that were refused for their priority: bit = index in the VM")
    old = private("the state as its vcpu last read one, its own or another's")
    new = private("what the state is to become")
    left = private("a field under examination")
    right = private("another")
    priority = private("priority of the source being delivered")
    argument = private("the hcall's priority: CPPR or MFRR")
    rejected = private("XISR that a more favoured interrupt displaced, 0 = none")

    def __init__(self, layout: Layout, vcpu: int) -> None:
        super().__init__(layout, f"icp{vcpu}")


# Source.pq: PRESENTED: the server has it or will have it; QUEUED: it came again meanwhile.
PRESENTED: Final = 1
QUEUED: Final = 2


class Source(Record):
    """An interrupt source of a VM: a message (edge) or a line (level: `lsi`)."""

    lock = shared("held while it is delivered")
    server = shared("index of the vcpu that it goes to")
    priority = shared("0xff = masked", initial=LEAST_FAVOURED)
    pq = shared("PRESENTED and QUEUED")
    resend = shared("it was refused, and its server's resend_map says so")
    masked_pending = shared("it came while masked")

    def __init__(self, layout: Layout, vm: int, index: int, number: int, *, lsi: bool) -> None:
        self.index = index
        self.number = number
        self.lsi = lsi
        super().__init__(layout, f"vm{vm}.irq{number}")


def icp_fields(word: int) -> dict[str, int]:
    """Take a state apart, for people and for checks."""
    return {
        "cppr": bits(word, *CPPR),
        "xisr": bits(word, *XISR),
        "mfrr": bits(word, *MFRR),
        "pending_pri": bits(word, *PENDING_PRI),
        "need_resend": bits(word, 62, 62),
        "out_ee": bits(word, 63, 63),
    }
