"""THE table of hcalls, and the codes that they return.

An hcall is `sc 1` with its number in r3 and arguments from r4; it returns a code in r3 and
results from r4. Source: PAPR (LoPAPR 1.1, Virtualized Environment), and KVM's and QEMU's private
range from 0xF000 where a row says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Hcall:
    """One hcall: number for r3, names of the arguments in r4, r5..., of the results likewise."""

    name: str
    number: int
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    summary: str
    source: str = "PAPR"


def _hcall(number: int, syntax: str, results: str, summary: str, source: str = "PAPR") -> Hcall:
    """Make one row from `H_NAME arg arg ...` and the results as words."""
    name, *arguments = syntax.split()
    return Hcall(name, number, tuple(arguments), tuple(results.split()), summary, source)


# The ruler: number (r3), name and arguments (r4...), results (r4...), meaning.
HCALLS: Final = (
    _hcall(0x024, "H_SET_SPRG0 value", "", "set SPRG0"),
    _hcall(0x028, "H_SET_DABR value", "", "set the data address breakpoint"),
    _hcall(0x02C, "H_PAGE_INIT flags destination source", "", "zero or copy a page, or both"),
    _hcall(
        0x054,
        "H_GET_TERM_CHAR unit",
        "length bytes0_7 bytes8_15",
        "read up to 16 characters from the console",
    ),
    _hcall(
        0x058,
        "H_PUT_TERM_CHAR unit length bytes0_7 bytes8_15",
        "",
        "write up to 16 characters to the console",
    ),
    _hcall(0x064, "H_EOI xirr", "", "end of an external interrupt; restores its CPPR"),
    _hcall(0x068, "H_CPPR cppr", "", "set the current processor priority"),
    _hcall(0x06C, "H_IPI server mfrr", "", "set a thread's most favoured request: interrupt it"),
    _hcall(0x070, "H_IPOLL server", "xirr mfrr", "look at a pending external interrupt"),
    _hcall(0x074, "H_XIRR cppr", "xirr", "accept the pending external interrupt"),
    _hcall(
        0x0DC,
        "H_REGISTER_VPA function vcpu address",
        "",
        "register or remove the virtual processor area",
    ),
    _hcall(0x0E0, "H_CEDE", "", "enable EE and give up the processor until an interrupt or prod"),
    _hcall(0x0E4, "H_CONFER vcpu dispatch_count", "", "give the processor to another vcpu"),
    _hcall(0x0E8, "H_PROD vcpu", "", "make a ceded vcpu runnable, or its next H_CEDE return"),
    _hcall(0x2FC, "H_XIRR_X cppr", "xirr timebase", "H_XIRR, with the time of the interrupt"),
    _hcall(0x300, "H_RANDOM", "number", "64 random bits"),
    _hcall(
        0x31C,
        "H_SET_MODE flags resource value1 value2",
        "",
        "resource 1 CIABR, 2 DAWR0, 3 interrupt location (AIL), 4 interrupt endian",
    ),
    _hcall(
        0x37C,
        "H_REGISTER_PROCESS_TABLE flags base page_size table_size",
        "",
        "register a process table",
    ),
    _hcall(
        0xF000,
        "H_RTAS arguments",
        "",
        "call the firmware (RTAS) with an argument block",
        "QEMU's and KVM's private range",
    ),
    _hcall(0xF100, "H_EXIT status", "", "end the run with this status", "emu's own"),
    _hcall(
        0xF104,
        "H_BUSY ticks",
        "",
        "keep the vcpu in userspace, busy in host, for so many timebase ticks",
        "emu's own",
    ),
)

BY_NAME: Final = {row.name: row for row in HCALLS}
BY_NUMBER: Final = {row.number: row for row in HCALLS}

# What r3 holds afterwards, as a signed doubleword.
RETURN_CODES: Final = {
    "H_SUCCESS": 0,
    "H_BUSY": 1,
    "H_CLOSED": 2,
    "H_NOT_AVAILABLE": 3,
    "H_HARDWARE": -1,
    "H_FUNCTION": -2,
    "H_PRIVILEGE": -3,
    "H_PARAMETER": -4,
    "H_BAD_MODE": -5,
    "H_NOT_FOUND": -7,
    "H_RESERVED_DABR": -8,
    "H_NO_MEM": -9,
    "H_PERMISSION": -11,
    "H_DROPPED": -12,
    "H_RESOURCE": -16,
    "H_P2": -55,
    "H_P3": -56,
    "H_P4": -57,
    "H_P5": -58,
    "H_UNSUPPORTED": -67,
    "H_UNSUPPORTED_FLAG": -256,
}
