# smt: 2 4 8
# A token goes round all threads by doorbells, a hundred times; each thread sends to the next from
# its handler and is in an empty loop otherwise. No doorbell is lost, none is doubled.
        .include "bare.inc"
        .set    ROUNDS, 100

main:   mflr    27
        ADDRESS 9, pass_on
        std     9, HOOK(13)
        li      3, SMT
        bl      start_threads
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        AWAIT   24, READY
        .set    t, t + 1
        .endr
        SEND    1
        EE_ON
1:      or      31, 31, 31
        ld      0, DOORBELLS(13)
        cmpdi   0, ROUNDS
        blt     1b
        EE_OFF
        .set    t, 0
        .rept   SMT
        BLOCK_OF 24, t
        SAY     "taken "
        ld      3, DOORBELLS(24)
        bl      say_hex
        bl      say_newline
        .set    t, t + 1
        .endr
        mtlr    27
        blr

pass_on:                                # in the handler: on to the next, 0 stops the token
        std     29, SEEN(13)
        mfspr   31, 446                 # TIR
        addi    31, 31, 1
        cmpwi   7, 31, SMT
        blt     7, 1f
        li      31, 0
1:      cmpwi   7, 31, 1
        bne     7, 2f
        ld      29, DOORBELLS(13)
        cmpdi   7, 29, ROUNDS
        bge     7, 3f
2:      lis     29, DBELL@h
        or      31, 31, 29
        lwsync
        msgsndp 31
3:      ld      29, SEEN(13)
        blr

thread: ADDRESS 9, pass_on
        std     9, HOOK(13)
        TELL    13, READY
        EE_ON
1:      or      31, 31, 31
        b       1b
