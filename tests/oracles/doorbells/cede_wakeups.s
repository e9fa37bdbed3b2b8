# smt: 2
# What ends H_CEDE: a doorbell, H_PROD, the decrementer. Two threads hand each other a token,
# ceding in between; then one prods the other until it is awake. (A prod before H_CEDE, which
# makes it return at once, is left out: QEMU 10 forgets it.)
        .include "bare.inc"
        .set    ROUNDS, 100
        .set    HANDED, 96

main:   mflr    27
        li      3, 2
        bl      start_threads
        BLOCK_OF 24, 1
        li      25, ROUNDS
1:      TELL    24, GO
        SEND    1
2:      HCALL   H_CEDE                  # a doorbell may have come and gone: test before sleeping
        EE_OFF
        ld      0, GO(13)
        cmpdi   0, 0
        beq     2b
        li      0, 0
        std     0, GO(13)
        addi    25, 25, -1
        cmpdi   25, 0
        bgt     1b
        SAY     "token back, rounds: "
        ld      3, HANDED(24)
        bl      say_hex
        bl      say_newline

        ld      25, DOORBELLS(13)
        TELL    24, READY               # thread 1 prods from now on
        HCALL   H_CEDE
        EE_OFF
        mr      26, 3
        TELL    24, SEEN
        ld      0, DOORBELLS(13)
        subf    25, 25, 0
        SAY     "prodded: "
        SAY_HEX 26
        SAY     ", doorbells meanwhile "
        SAY_HEX 25
        bl      say_newline

        li      0, 0
        std     0, ORDER(13)
        li      9, 1000
        mtdec   9
1:      HCALL   H_CEDE                  # the decrementer wakes it
        EE_OFF
        ld      0, DECREMENTERS(13)
        cmpdi   0, 0
        beq     1b
        SAY     "decrementers "
        SAY_BLOCK DECREMENTERS
        SAY     "order "
        SAY_BLOCK ORDER
        mtlr    27
        blr

thread: BLOCK_OF 24, 0
1:      HCALL   H_CEDE
        EE_OFF
        ld      0, GO(13)
        cmpdi   0, 0
        beq     1b
        li      0, 0
        std     0, GO(13)
        ld      26, HANDED(13)
        addi    26, 26, 1
        std     26, HANDED(13)
        TELL    24, GO
        SEND    0
        cmpdi   26, ROUNDS
        blt     1b
        AWAIT   13, READY
2:      li      3, H_PROD
        li      4, 0
        sc      1
        or      31, 31, 31
        ld      0, SEEN(13)
        cmpdi   0, 0
        beq     2b
        blr
