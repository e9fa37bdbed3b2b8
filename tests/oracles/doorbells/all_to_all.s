# smt: 2 4 8
# Every thread sends to every other and to itself with MSR[EE] = 0, all meet, then all open EE:
# one interrupt each, however many were sent.
        .include "bare.inc"
        .set    ARRIVED, 0x7100

        .macro  MEET                    # count this thread in; wait for all
        ADDRESS 8, ARRIVED
        lwsync
1:      ldarx   9, 0, 8
        addi    9, 9, 1
        stdcx.  9, 0, 8
        bne-    1b
2:      or      31, 31, 31
        ld      9, 0(8)
        cmpdi   9, SMT
        blt     2b
        isync
        .endm

        .macro  SEND_ALL
        .set    t, 0
        .rept   SMT
        SEND    t
        .set    t, t + 1
        .endr
        .endm

main:   mflr    27
        li      3, SMT
        bl      start_threads
        SEND_ALL
        MEET
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        EE_ON
        EE_OFF
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        TELL    24, GO
        AWAIT   24, READY
        .set    t, t + 1
        .endr
        .set    t, 0
        .rept   SMT
        BLOCK_OF 24, t
        SAY     "taken "
        ld      3, DOORBELLS(24)
        bl      say_hex
        bl      say_newline
        .set    t, t + 1
        .endr
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: SEND_ALL
        MEET
        AWAIT   13, GO
        EE_ON
        EE_OFF
        TELL    13, READY
        blr
