# smt: 2
# In problem state each doorbell facility is a program interrupt of the privileged kind and has no
# other effect; mtspr DPDES is one in supervisor state too, for it is the hypervisor's.
        .include "bare.inc"

        .macro  FROM_PROBLEM_STATE name, insn:vararg
        ADDRESS 3, 7f
        bl      in_problem_state
        b       8f
7:      \insn
        sc
8:      EE_OFF
        SAY     "\name: "
        ld      3, PROGRAMS(13)
        bl      say_hex
        SAY     " srr1 "
        SAY_BLOCK LAST_SRR1
        .endm

main:   mflr    27
        bl      map_memory
        SEND    1                       # pending for thread 1, which is not started
        MESSAGE 9, 0
        li      26, 77
        FROM_PROBLEM_STATE "msgsndp", msgsndp 9
        FROM_PROBLEM_STATE "msgclrp", msgclrp 9
        FROM_PROBLEM_STATE "mfspr tir", mfspr 26, 446
        FROM_PROBLEM_STATE "mfspr dpdes", mfspr 26, 176
        FROM_PROBLEM_STATE "mtspr dpdes", mtspr 176, 26
        SAY     "the register kept "
        SAY_HEX 26
        bl      say_newline
        li      26, 3
        mtspr   176, 26
        SAY     "supervisor's mtspr dpdes: "
        ld      3, PROGRAMS(13)
        bl      say_hex
        SAY     " srr1 "
        SAY_BLOCK LAST_SRR1
        mfspr   26, 176
        SAY     "dpdes "
        SAY_HEX 26
        bl      say_newline
        SAY     "doorbells "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

thread: blr
