# smt: 2 4 8
# A doorbell to a thread that the guest has not started waits for it.
        .include "bare.inc"

main:   mflr    27
        SEND    1
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        li      3, SMT
        bl      start_threads
        BLOCK_OF 24, 1
        AWAIT   24, READY
        SAY     "thread 1 read "
        ld      3, SEEN(24)
        bl      say_hex
        SAY     " and took "
        ld      3, DOORBELLS(24)
        bl      say_hex
        bl      say_newline
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: mfspr   9, 176
        std     9, SEEN(13)
        EE_ON
        EE_OFF
        TELL    13, READY
        blr
