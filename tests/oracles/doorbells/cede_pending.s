# smt: 2 4 8
# H_CEDE with a doorbell pending returns at once with MSR[EE] = 1: the doorbell is taken, once,
# and a second cede waits for the next one.
        .include "bare.inc"

main:   mflr    27
        li      3, SMT
        bl      start_threads
        SEND    0
        HCALL   H_CEDE
        mfmsr   26
        EE_OFF
        mr      25, 3
        SAY     "h_cede returned "
        SAY_HEX 25
        bl      say_newline
        rldicl  26, 26, 49, 63
        SAY     "ee "
        SAY_HEX 26
        bl      say_newline
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        AWAIT   24, READY               # it is about to cede, or has
        SEND    t
        .set    t, t + 1
        .endr
        .set    t, 1
        .rept   SMT - 1
        BLOCK_OF 24, t
        AWAIT   24, GO
        SAY     "a ceded thread woke and took "
        ld      3, DOORBELLS(24)
        bl      say_hex
        bl      say_newline
        .set    t, t + 1
        .endr
        mtlr    27
        blr

thread: TELL    13, READY
1:      HCALL   H_CEDE                  # it may return for no reason: a core that was left and
        EE_OFF                          # entered again starts its idle threads, too
        ld      0, DOORBELLS(13)
        cmpdi   0, 0
        beq     1b
        TELL    13, GO
        blr
