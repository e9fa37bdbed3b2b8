"""Virtual environment: storage control, reservations, barriers, time (Power ISA v3.0B Book II)."""

# ruff: noqa: E501  rows of the table are one line each
# fmt: off

from __future__ import annotations

from .instruction import insn
from .syntax import alias

INSNS = (
    # 4.3 Cache management
    #    syntax                    form   boxes, as printed        where          what
    insn("icbi RA0,RB",            "X",   "31 / RA RB 982 /",      "II 4.3.1",    "Instruction Cache Block Invalidate",
         "the block at EA is no longer in any instruction cache"),
    insn("icbt [CT,]RA0,RB",       "X",   "31 / CT RA RB 22 /",    "II 4.3.1",    "Instruction Cache Block Touch",
         "hint: the block at EA will be executed", since=8),
    insn("dcbt RA0,RB[,TH]",       "X",   "31 TH RA RB 278 /",     "II 4.3.2",    "Data Cache Block Touch",
         "hint: the block at EA, or a stream that starts there, will be loaded"),
    insn("dcbtst RA0,RB[,TH]",     "X",   "31 TH RA RB 246 /",     "II 4.3.2",    "Data Cache Block Touch for Store",
         "hint: the block at EA, or a stream that starts there, will be stored to"),
    insn("dcbz RA0,RB",            "X",   "31 / RA RB 1014 /",     "II 4.3.2",    "Data Cache Block set to Zero",
         "the 128 bytes of the block at EA <- 0", store=128),
    insn("dcbst RA0,RB",           "X",   "31 / RA RB 54 /",       "II 4.3.2",    "Data Cache Block Store",
         "the block at EA is in main storage as it is in the data cache"),
    insn("dcbf RA0,RB[,L@9]",      "X",   "31 / L RA RB 86 /",     "II 4.3.2",    "Data Cache Block Flush",
         "the block at EA is in main storage and in no data cache", invalid=("L=2",)),

    # 4.6 Synchronization
    insn("isync",                  "XL",  "19 / / / 150 /",        "II 4.6.1",    "Instruction Synchronize",
         "what follows is fetched after all that precedes has completed"),
    insn("lbarx RT,RA0,RB[,EH]",   "X",   "31 RT RA RB 52 EH",     "II 4.6.2.1",  "Load Byte And Reserve Indexed",
         "RT <- zero_extend(MEM(EA, 1)); reserve the granule of EA", load=1, since=8),
    insn("lharx RT,RA0,RB[,EH]",   "X",   "31 RT RA RB 116 EH",    "II 4.6.2.1",  "Load Halfword And Reserve Indexed",
         "RT <- zero_extend(MEM(EA, 2)); reserve the granule of EA", load=2, aligned=True, since=8),
    insn("lwarx RT,RA0,RB[,EH]",   "X",   "31 RT RA RB 20 EH",     "II 4.6.2.1",  "Load Word And Reserve Indexed",
         "RT <- zero_extend(MEM(EA, 4)); reserve the granule of EA", load=4, aligned=True),
    insn("stbcx. RS,RA0,RB",       "X",   "31 RS RA RB 694 1",     "II 4.6.2.1",  "Store Byte Conditional Indexed",
         "if the granule of EA is reserved MEM(EA, 1) <- (RS)[56:63]; CR0 <- 0b00 || stored || SO", store=1, since=8),
    insn("sthcx. RS,RA0,RB",       "X",   "31 RS RA RB 726 1",     "II 4.6.2.1",  "Store Halfword Conditional Indexed",
         "if the granule of EA is reserved MEM(EA, 2) <- (RS)[48:63]; CR0 <- 0b00 || stored || SO", store=2, aligned=True, since=8),
    insn("stwcx. RS,RA0,RB",       "X",   "31 RS RA RB 150 1",     "II 4.6.2.1",  "Store Word Conditional Indexed",
         "if the granule of EA is reserved MEM(EA, 4) <- (RS)[32:63]; CR0 <- 0b00 || stored || SO", store=4, aligned=True),
    insn("ldarx RT,RA0,RB[,EH]",   "X",   "31 RT RA RB 84 EH",     "II 4.6.2.2",  "Load Doubleword And Reserve Indexed",
         "RT <- MEM(EA, 8); reserve the granule of EA", load=8, aligned=True),
    insn("stdcx. RS,RA0,RB",       "X",   "31 RS RA RB 214 1",     "II 4.6.2.2",  "Store Doubleword Conditional Indexed",
         "if the granule of EA is reserved MEM(EA, 8) <- (RS); CR0 <- 0b00 || stored || SO", store=8, aligned=True),
    insn("lqarx RTp,RA0,RB[,EH]",  "X",   "31 RTp RA RB 276 EH",   "II 4.6.2.2",  "Load Quadword And Reserve Indexed",
         "RTp || RTp+1 <- MEM(EA, 16); reserve the granule of EA", load=16, aligned=True, since=8,
         invalid=("RT odd", "RA=RT", "RB=RT")),
    insn("stqcx. RSp,RA0,RB",      "X",   "31 RSp RA RB 182 1",    "II 4.6.2.2",  "Store Quadword Conditional Indexed",
         "if the granule of EA is reserved MEM(EA, 16) <- (RSp) || (RSp+1); CR0 <- 0b00 || stored || SO", store=16,
         aligned=True, since=8, invalid=("RT odd",)),
    insn("sync [L@9]",             "X",   "31 / L / / 598 /",      "II 4.6.3",    "Synchronize",
         "barrier: L = 0 all accesses, 1 all but store before load, 2 all accesses and translation", invalid=("L=3",)),
    insn("eieio",                  "X",   "31 / / / 854 /",        "II 4.6.3",    "Enforce In-order Execution of I/O",
         "barrier between stores"),
    insn("wait [WC]",              "X",   "31 / WC / / 30 /",      "II 4.6.4",    "Wait for Interrupt",
         "stop fetching until an interrupt", since=9, invalid=("WC>0",)),

    # Time Base
    insn("mftb RT,TBR",            "XFX", "31 RT TBR 371 /",       "II, Time Base", "Move From Time Base",
         "RT <- TB, or its upper word if TBR = 269; assemblers write mfspr", invalid=("obsolete",)),
)

ALIASES = (
    *alias("hwsync",              "sync 0"),
    *alias("lwsync",              "sync 1"),
    *alias("ptesync",             "sync 2"),
    *alias("dcbtct RA0,RB[,TH@ct]", "dcbt RA,RB,TH"),
    *alias("dcbtds RA0,RB",         "dcbt RA,RB,8"),
    *alias("dcbtds RA0,RB,TH@ds",   "dcbt RA,RB,TH"),
    *alias("dcbtt RA0,RB",          "dcbt RA,RB,16"),
    *alias("dcbtstct RA0,RB[,TH@ct]", "dcbtst RA,RB,TH"),
    *alias("dcbtstds RA0,RB",       "dcbtst RA,RB,8"),
    *alias("dcbtstds RA0,RB,TH@ds", "dcbtst RA,RB,TH"),
    *alias("dcbtstt RA0,RB",        "dcbtst RA,RB,16"),
    *alias("dclz RA0,RB",         "dcbz RA,RB", printed=False),
    *alias("dcbfl RA0,RB",        "dcbf RA,RB,1"),
    *alias("dcbflp RA0,RB",       "dcbf RA,RB,3"),
)
