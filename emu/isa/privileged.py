"""Operating environment: system linkage, message sends, translation (Power ISA v3.0B Book III)."""

# ruff: noqa: E501  rows of the table are one line each
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .instruction import insn

if TYPE_CHECKING:
    from .syntax import Alias

_OS: Final = "privileged"
_HV: Final = "hypervisor"

_LINKAGE = "III, System Linkage"
_POWER_SAVING = "III, Power-Saving Mode"
_SYSTEM_REGISTERS = "III, Move To/From System Register"
_BUFFERS = "III, Lookaside Buffer Management"
_CONTROL = "III, Processor Control"

INSNS = (
    #    syntax                  form   boxes, as printed             where and what
    insn("rfid",                 "XL",  "19 / / / 18 /",              _LINKAGE, "Return From Interrupt Doubleword",
         "MSR <- SRR1 where it may; NIA <- SRR0[0:61] || 0b00", privilege=_OS),
    insn("hrfid",                "XL",  "19 / / / 274 /",             _LINKAGE, "Return From Interrupt Doubleword Hypervisor",
         "MSR <- HSRR1 where it may; NIA <- HSRR0[0:61] || 0b00", privilege=_HV),

    insn("stop",                 "XL",  "19 / / / 370 /",             _POWER_SAVING, "Stop",
         "stop the thread as PSSCR says, until a wake-up event", privilege=_OS, since=9),
    insn("doze",                 "XL",  "19 / / / 402 /",             _POWER_SAVING, "Doze",
         "stop the thread; all state is kept", privilege=_HV, until=8),
    insn("nap",                  "XL",  "19 / / / 434 /",             _POWER_SAVING, "Nap",
         "stop the thread; state that the hypervisor can restore may be lost", privilege=_HV, until=8),
    insn("sleep",                "XL",  "19 / / / 466 /",             _POWER_SAVING, "Sleep",
         "stop the thread; the core's state may be lost when all threads sleep", privilege=_HV, until=8),
    insn("rvwinkle",             "XL",  "19 / / / 498 /",             _POWER_SAVING, "Rip Van Winkle",
         "stop the thread; all its state may be lost", privilege=_HV, until=8),

    insn("mtmsr RS[,L@15]",      "X",   "31 RS / L / 146 /",          _SYSTEM_REGISTERS, "Move To Machine State Register",
         "MSR[32:63] <- (RS)[32:63] where it may; only EE and RI if L = 1", privilege=_OS),
    insn("mtmsrd RS[,L@15]",     "X",   "31 RS / L / 178 /",          _SYSTEM_REGISTERS, "Move To Machine State Register Doubleword",
         "MSR <- (RS) where it may; only EE and RI if L = 1", privilege=_OS),
    insn("mfmsr RT",             "X",   "31 RT / / 83 /",             _SYSTEM_REGISTERS, "Move From Machine State Register",
         "RT <- MSR", privilege=_OS),

    insn("slbie RB",             "X",   "31 / / RB 434 /",            _BUFFERS, "SLB Invalidate Entry",
         "the SLB entry that translates (RB) is invalid", privilege=_OS),
    insn("slbieg RS,RB",         "X",   "31 RS / RB 466 /",           _BUFFERS, "SLB Invalidate Entry Global",
         "the SLB entry that translates (RB) is invalid on all threads of the process in RS", privilege=_OS, since=9),
    insn("slbia [IH]",           "X",   "31 / IH / / 498 /",          _BUFFERS, "SLB Invalidate All",
         "all SLB entries but the first are invalid", privilege=_OS),
    insn("slbiag RS",            "X",   "31 RS / / 850 /",            _BUFFERS, "SLB Invalidate All Global",
         "all SLB entries of the process in RS are invalid on all threads", privilege=_OS, since=9),
    insn("slbmte RS,RB",         "X",   "31 RS / RB 402 /",           _BUFFERS, "SLB Move To Entry",
         "the SLB entry that (RB) numbers <- (RS), (RB)", privilege=_OS),
    insn("slbmfev RT,RB[,L@15]", "X",   "31 RT / L RB 851 /",         _BUFFERS, "SLB Move From Entry VSID",
         "RT <- VSID half of the SLB entry that (RB) numbers", privilege=_OS),
    insn("slbmfee RT,RB[,L@15]", "X",   "31 RT / L RB 915 /",         _BUFFERS, "SLB Move From Entry ESID",
         "RT <- ESID half of the SLB entry that (RB) numbers", privilege=_OS),
    insn("slbfee. RT,RB",        "X",   "31 RT / RB 979 1",           _BUFFERS, "SLB Find Entry ESID",
         "RT <- VSID half of the SLB entry that translates (RB); CR0[eq] <- found", privilege=_OS),
    insn("slbsync",              "X",   "31 / / / 338 /",             _BUFFERS, "SLB Synchronize",
         "wait for all slbieg and slbiag of this thread", privilege=_OS, since=9),
    insn("tlbie RB,RS[,RIC[,PRS[,R]]]", "X", "31 RS / RIC PRS R RB 306 /", _BUFFERS, "TLB Invalidate Entry",
         "the TLB entries that (RB) and (RS) name are invalid on all threads", privilege=_HV),
    insn("tlbiel RB[,RS[,RIC[,PRS[,R]]]]", "X", "31 RS / RIC PRS R RB 274 /", _BUFFERS, "TLB Invalidate Entry Local",
         "the TLB entries that (RB) and (RS) name are invalid on this thread", privilege=_HV),
    insn("tlbsync",              "X",   "31 / / / 566 /",             _BUFFERS, "TLB Synchronize",
         "wait for all tlbie of this thread", privilege=_HV),

    insn("msgsnd RB",            "X",   "31 / / RB 206 /",            _CONTROL, "Message Send",
         "if (RB)[32:36] = 5 a directed hypervisor doorbell is pending on the thread that (RB) names", privilege=_HV, since=8),
    insn("msgclr RB",            "X",   "31 / / RB 238 /",            _CONTROL, "Message Clear",
         "if (RB)[32:36] = 5 no directed hypervisor doorbell is pending on this thread", privilege=_HV, since=8),
    insn("msgsndp RB",           "X",   "31 / / RB 142 /",            _CONTROL, "Message Send Privileged",
         "if (RB)[32:36] = 5 DPDES bit (RB)[57:63] <- 1, if this virtual core has such a thread", privilege=_OS,
         facility="MSGP", since=8),
    insn("msgclrp RB",           "X",   "31 / / RB 174 /",            _CONTROL, "Message Clear Privileged",
         "if (RB)[32:36] = 5 this thread's DPDES bit <- 0", privilege=_OS, facility="MSGP", since=8),
    insn("msgsync",              "X",   "31 / / / 886 /",             _CONTROL, "Message Synchronize",
         "stores that precede a message are seen by the thread that it interrupts", privilege=_HV, since=9),
)

ALIASES: tuple[tuple[str, Alias], ...] = ()
