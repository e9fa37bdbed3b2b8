# smt: 2 4 8
# TIR is the number of the thread within its core, and does not change.
        .include "bare.inc"

main:   mflr    27
        li      3, SMT
        bl      start_threads
        mfspr   26, 446
        SAY     "tir "
        SAY_HEX 26
        bl      say_newline
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        AWAIT   24, READY
        SAY     "tir "
        ld      3, SEEN(24)
        bl      say_hex
        bl      say_newline
        .set    t, t + 1
        .endr
        mtlr    27
        blr

thread: mfspr   9, 446
        std     9, SEEN(13)
        TELL    13, READY
        blr
