# smt: 2 4 8
# The tag, (RB)57:63, names the target by its TIR; a tag of no thread of this core does nothing.
# (DPDES may have more bits than the core has threads: on POWER8 it is the hardware's, and shows the
# doorbells of threads that the guest does not have.)
        .include "bare.inc"

main:   mflr    27
        li      24, SMT
1:      MESSAGE 9, 0
        or      9, 9, 24
        lwsync
        msgsndp 9
        addi    24, 24, 1
        cmpwi   24, 128
        blt     1b
        mfspr   26, 176
        andi.   26, 26, (1 << SMT) - 1
        SAY     "dpdes after tags beyond the core: "
        SAY_HEX 26
        bl      say_newline
        MESSAGE 9, 0x80                 # bit 56 is not part of the tag
        msgsndp 9
        mfspr   26, 176
        andi.   26, 26, (1 << SMT) - 1
        SAY     "dpdes after tag 0 with bit 56 set: "
        SAY_HEX 26
        bl      say_newline
        EE_ON
        EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

thread: blr
