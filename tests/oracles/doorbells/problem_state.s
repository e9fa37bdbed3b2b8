# smt: 2
# A doorbell interrupts problem state, where MSR[EE] is 1, and returns to it; rfid to MSR[PR] = 1
# sets EE whatever SRR1 says.
        .include "bare.inc"

main:   mflr    27
        bl      map_memory
        SEND    0
        ADDRESS 3, 1f
        bl      in_problem_state
        b       2f
1:      nop
        sc
2:      EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        ld      26, LAST_SRR1(13)
        rldicl  25, 26, 50, 63
        SAY     "pr "
        SAY_HEX 25
        rldicl  25, 26, 49, 63
        SAY     ", ee "
        SAY_HEX 25
        bl      say_newline
        ADDRESS 5, 1b
        ld      4, LAST_SRR0(13)
        subf    26, 5, 4
        SAY     "srr0 off by "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

thread: blr
