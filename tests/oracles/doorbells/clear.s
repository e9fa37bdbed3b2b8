# smt: 2 4 8
# msgclrp drops the executing thread's own doorbell, whatever its tag says, and no other thread's;
# cleared before MSR[EE] = 1, the doorbell is never taken.
        .include "bare.inc"

main:   mflr    27
        li      3, SMT
        bl      start_threads
        SEND    0
        SEND    1                       # thread 1 keeps MSR[EE] = 0
        mfspr   26, 176
        SAY     "dpdes with two pending: "
        SAY_HEX 26
        bl      say_newline
        MESSAGE 9, 1                    # names thread 1 ...
        msgclrp 9                       # ... and clears the own
        mfspr   26, 176
        SAY     "after msgclrp: "
        SAY_HEX 26
        bl      say_newline
        EE_ON
        EE_OFF
        SAY     "taken here: "
        SAY_BLOCK DOORBELLS
        MESSAGE 9, 0
        msgclrp 9                       # nothing pending: nothing happens
        BLOCK_OF 24, 1
        TELL    24, GO
        AWAIT   24, READY
        SAY     "taken there: "
        ld      3, DOORBELLS(24)
        bl      say_hex
        bl      say_newline
        mfspr   26, 176
        SAY     "dpdes at the end: "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: AWAIT   13, GO
        EE_ON
        EE_OFF
        TELL    13, READY
        blr
