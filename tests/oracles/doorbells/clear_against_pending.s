# smt: 2
# A doorbell that a sibling sent is cleared by the target before it opens MSR[EE]; one sent after
# the clear is taken.
        .include "bare.inc"

main:   mflr    27
        li      3, 2
        bl      start_threads
        BLOCK_OF 24, 1
        AWAIT   13, READY               # the first has been sent
        mfspr   26, 176
        SAY     "sent "
        SAY_HEX 26
        bl      say_newline
        MESSAGE 9, 0
        msgclrp 9
        mfspr   26, 176
        SAY     "cleared "
        SAY_HEX 26
        bl      say_newline
        EE_ON
        EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        TELL    24, GO
        AWAIT   24, READY               # the second has been sent
        EE_ON
        EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

thread: SEND    0
        BLOCK_OF 24, 0
        TELL    24, READY
        AWAIT   13, GO
        SEND    0
        TELL    13, READY
        blr
