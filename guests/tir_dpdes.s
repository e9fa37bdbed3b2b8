# What a thread can read of its core: its own number (TIR) and who has a doorbell pending (DPDES).
#
# Interrupts stay off, so doorbells stay pending. Thread 0 rings every thread, itself included;
# DPDES then has a bit for each, counted from the right. msgclrp drops the caller's own only.
# On a POWER9 host both registers trap, and for DPDES the hypervisor asks every sibling in turn.
#
# smt:    1 2 4 8
# hosts:  power8 power9
# prints: vcpu {vcpu} is thread {vcpu}
# prints: DPDES shows {vcpus} pending
# prints: msgclrp dropped one: its own
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, turn
        mfspr   r17, TIR

wait:   or      r31, r31, r31                   # speak in order of the vcpu id
        ld      r5, 0(r16)
        cmpd    r5, r14
        bne     wait
        print   "vcpu "
        print_number r14
        print   " is thread "
        print_number r17
        print   "\n"
        lwsync
        addi    r5, r14, 1
        std     r5, 0(r16)
        cmpdi   r14, 0
        bne     stay

1:      ld      r5, 0(r16)                      # thread 0 goes on when all have spoken
        cmpd    r5, r15
        bne     1b

        li      r18, 0
2:      doorbell_message r5, r18
        msgsndp r5
        addi    r18, r18, 1
        cmpd    r18, r15
        blt     2b

        li      r19, 1                          # a bit for each thread
        sld     r19, r19, r15
        addi    r19, r19, -1
3:      mfspr   r5, DPDES                       # a sibling's bit may be on its way: look again
        cmpd    r5, r19
        bne     3b
        popcntd r20, r5
        print   "DPDES shows "
        print_number r20
        print   " pending\n"

        li      r5, 0
        doorbell_message r6, r5
        msgclrp r6
        addi    r19, r19, -1                    # thread 0's bit is the lowest
4:      mfspr   r5, DPDES
        cmpd    r5, r19
        bne     4b
        print   "msgclrp dropped one: its own\n"
        exit    0

# The others keep their doorbells pending: interrupts are off, and they never cede.
stay:   or      r31, r31, r31
        b       stay

        .bss
        .balign 8
turn:   .skip   8
