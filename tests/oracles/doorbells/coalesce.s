# smt: 2 4 8
# Several doorbells to one thread before it can take any are one interrupt: from itself, from one
# sibling, and from all siblings together.
        .include "bare.inc"

main:   mflr    27
        SEND    0
        SEND    0
        SEND    0
        EE_ON
        EE_OFF
        SAY     "three to itself: "
        SAY_BLOCK DOORBELLS
        li      3, SMT
        bl      start_threads
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 8, t
        AWAIT   8, READY
        .set    t, t + 1
        .endr
        EE_ON
        EE_OFF
        SAY     "then two from each sibling: "
        SAY_BLOCK DOORBELLS
        EE_ON
        EE_OFF
        SAY     "and later: "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

thread: SEND    0
        SEND    0
        TELL    13, READY
        blr
