# smt: 2 4 8
# DPDES shows the pending doorbells of every thread of the core, the same from each of them, and
# reading it consumes none.
        .include "bare.inc"

main:   mflr    27
        li      3, SMT
        bl      start_threads
        .set    t, 0
        .rept   SMT
        SEND    t
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        .set    t, t + 1
        .endr
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        TELL    24, GO                  # t reads, then takes its doorbell
        AWAIT   24, READY
        SAY     "a sibling read "
        ld      3, SEEN(24)
        bl      say_hex
        SAY     " and took "
        ld      3, DOORBELLS(24)
        bl      say_hex
        mfspr   26, 176
        SAY     "; left "
        SAY_HEX 26
        bl      say_newline
        .set    t, t + 1
        .endr
        EE_ON
        EE_OFF
        mfspr   26, 176
        SAY     "at the end "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: AWAIT   13, GO
        mfspr   9, 176
        std     9, SEEN(13)
        EE_ON
        EE_OFF
        TELL    13, READY
        blr
