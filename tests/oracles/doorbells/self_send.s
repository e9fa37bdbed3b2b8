# smt: 2
# A thread may send a doorbell to itself. With MSR[EE] = 0 it stays pending and shows in DPDES; it
# is taken once, before the instruction after the one that sets EE, and DPDES is 0 again.
        .include "bare.inc"

main:   mflr    27
        SEND    0
        mfspr   26, 176
        SAY     "dpdes while masked "
        SAY_HEX 26
        bl      say_newline
        SAY     "taken while masked "
        SAY_BLOCK DOORBELLS
        EE_ON
here:   nop
        EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        ADDRESS 5, here
        ld      4, LAST_SRR0(13)
        subf    26, 5, 4
        SAY     "srr0 - next instruction "
        SAY_HEX 26
        bl      say_newline
        SAY     "srr1 "
        SAY_BLOCK LAST_SRR1
        mfspr   26, 176
        SAY     "dpdes after "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: blr
