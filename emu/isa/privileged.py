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

INSNS = (
    # 3.3.1 System linkage
    #    syntax                  form   boxes, as printed             where          what
    insn("rfid",                 "XL",  "19 / / / 18 /",              "III 3.3.1",   "Return From Interrupt Doubleword",
         "MSR <- SRR1 where it may; NIA <- SRR0[0:61] || 0b00", privilege=_OS),
    insn("hrfid",                "XL",  "19 / / / 274 /",             "III 3.3.1",   "Return From Interrupt Doubleword Hypervisor",
         "MSR <- HSRR1 where it may; NIA <- HSRR0[0:61] || 0b00", privilege=_HV),

    # 3.3.2 Power saving
    insn("stop",                 "XL",  "19 / / / 370 /",             "III 3.3.2",   "Stop",
         "stop the thread as PSSCR says, until a wake-up event", privilege=_OS, since=9),
    insn("doze",                 "XL",  "19 / / / 402 /",             "III 3.3.2",   "Doze",
         "stop the thread; all state is kept", privilege=_HV, until=8),
    insn("nap",                  "XL",  "19 / / / 434 /",             "III 3.3.2",   "Nap",
         "stop the thread; state that the hypervisor can restore may be lost", privilege=_HV, until=8),
    insn("sleep",                "XL",  "19 / / / 466 /",             "III 3.3.2",   "Sleep",
         "stop the thread; the core's state may be lost when all threads sleep", privilege=_HV, until=8),
    insn("rvwinkle",             "XL",  "19 / / / 498 /",             "III 3.3.2",   "Rip Van Winkle",
         "stop the thread; all its state may be lost", privilege=_HV, until=8),

    # 4.4.4 Move to and from system registers
    insn("mtmsr RS[,L@15]",      "X",   "31 RS / L / 146 /",          "III 4.4.4",   "Move To Machine State Register",
         "MSR[32:63] <- (RS)[32:63] where it may; only EE and RI if L = 1", privilege=_OS),
    insn("mtmsrd RS[,L@15]",     "X",   "31 RS / L / 178 /",          "III 4.4.4",   "Move To Machine State Register Doubleword",
         "MSR <- (RS) where it may; only EE and RI if L = 1", privilege=_OS),
    insn("mfmsr RT",             "X",   "31 RT / / 83 /",             "III 4.4.4",   "Move From Machine State Register",
         "RT <- MSR", privilege=_OS),

    # 5.9.3 Lookaside buffers
    insn("slbie RB",             "X",   "31 / / RB 434 /",            "III 5.9.3",   "SLB Invalidate Entry",
         "the SLB entry that translates (RB) is invalid", privilege=_OS),
    insn("slbieg RS,RB",         "X",   "31 RS / RB 466 /",           "III 5.9.3",   "SLB Invalidate Entry Global",
         "the SLB entry that translates (RB) is invalid on all threads of the process in RS", privilege=_OS, since=9),
    insn("slbia [IH]",           "X",   "31 / IH / / 498 /",          "III 5.9.3",   "SLB Invalidate All",
         "all SLB entries but the first are invalid", privilege=_OS),
    insn("slbiag RS",            "X",   "31 RS / / 850 /",            "III 5.9.3",   "SLB Invalidate All Global",
         "all SLB entries of the process in RS are invalid on all threads", privilege=_OS, since=9),
    insn("slbmte RS,RB",         "X",   "31 RS / RB 402 /",           "III 5.9.3",   "SLB Move To Entry",
         "the SLB entry that (RB) numbers <- (RS), (RB)", privilege=_OS),
    insn("slbmfev RT,RB[,L@15]", "X",   "31 RT / L RB 851 /",         "III 5.9.3",   "SLB Move From Entry VSID",
         "RT <- VSID half of the SLB entry that (RB) numbers", privilege=_OS),
    insn("slbmfee RT,RB[,L@15]", "X",   "31 RT / L RB 915 /",         "III 5.9.3",   "SLB Move From Entry ESID",
         "RT <- ESID half of the SLB entry that (RB) numbers", privilege=_OS),
    insn("slbfee. RT,RB",        "X",   "31 RT / RB 979 1",           "III 5.9.3",   "SLB Find Entry ESID",
         "RT <- VSID half of the SLB entry that translates (RB); CR0[eq] <- found", privilege=_OS),
    insn("slbsync",              "X",   "31 / / / 338 /",             "III 5.9.3",   "SLB Synchronize",
         "wait for all slbieg and slbiag of this thread", privilege=_OS, since=9),
    insn("tlbie RB,RS[,RIC[,PRS[,R]]]", "X", "31 RS / RIC PRS R RB 306 /", "III 5.9.3", "TLB Invalidate Entry",
         "the TLB entries that (RB) and (RS) name are invalid on all threads", privilege=_HV),
    insn("tlbiel RB[,RS[,RIC[,PRS[,R]]]]", "X", "31 RS / RIC PRS R RB 274 /", "III 5.9.3", "TLB Invalidate Entry Local",
         "the TLB entries that (RB) and (RS) name are invalid on this thread", privilege=_HV),
    insn("tlbsync",              "X",   "31 / / / 566 /",             "III 5.9.3",   "TLB Synchronize",
         "wait for all tlbie of this thread", privilege=_HV),

    # 10 Processor control
    insn("msgsnd RB",            "X",   "31 / / RB 206 /",            "III 10",      "Message Send",
         "if (RB)[32:36] = 5 a directed hypervisor doorbell is pending on the thread that (RB) names", privilege=_HV, since=8),
    insn("msgclr RB",            "X",   "31 / / RB 238 /",            "III 10",      "Message Clear",
         "if (RB)[32:36] = 5 no directed hypervisor doorbell is pending on this thread", privilege=_HV, since=8),
    insn("msgsndp RB",           "X",   "31 / / RB 142 /",            "III 10",      "Message Send Privileged",
         "if (RB)[32:36] = 5 DPDES bit (RB)[57:63] <- 1, if this virtual core has such a thread", privilege=_OS,
         facility="MSGP", since=8),
    insn("msgclrp RB",           "X",   "31 / / RB 174 /",            "III 10",      "Message Clear Privileged",
         "if (RB)[32:36] = 5 this thread's DPDES bit <- 0", privilege=_OS, facility="MSGP", since=8),
    insn("msgsync",              "X",   "31 / / / 886 /",             "III 10",      "Message Synchronize",
         "stores that precede a message are seen by the thread that it interrupts", privilege=_HV, since=9),
)

ALIASES: tuple[tuple[str, Alias], ...] = ()
