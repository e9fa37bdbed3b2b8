# Doorbells that come while MSR[EE] is 0 wait, merge into one, and are taken when EE becomes 1.
#
# The last thread rings thread 0 three times (with one thread, thread 0 rings itself). A thread
# has one pending bit, not a queue: three messages make one interrupt.
#
# smt:    1 2 4 8
# hosts:  power8 power9
# prints: EE=0: 3 sent, 0 taken
# prints: EE=1: 1 taken
# prints: EE=1 again: still 1
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        mr      r14, r3
        addi    r15, r4, -1                     # the sender
        address r16, sent
        li      r17, 0                          # doorbells taken; belongs to the handler
        cmpd    r14, r15
        beq     sender
        cmpdi   r14, 0
        beq     receiver
        park

sender: li      r5, 0
        doorbell_message r6, r5
        msgsndp r6
        msgsndp r6
        msgsndp r6
        li      r5, 1
        lwsync
        std     r5, 0(r16)
        cmpdi   r14, 0
        beq     receiver
        park

receiver:
        or      r31, r31, r31                   # interrupts are off from the start
        ld      r5, 0(r16)
        cmpdi   r5, 0
        beq     receiver
        or      r2, r2, r2
        cmpdi   r17, 0
        bne     wrong
        print   "EE=0: 3 sent, 0 taken\n"

        interrupts_on r5                        # taken before the next instruction
        interrupts_off r5
        cmpdi   r17, 1
        bne     wrong
        print   "EE=1: 1 taken\n"

        interrupts_on r5
        interrupts_off r5
        cmpdi   r17, 1
        bne     wrong
        print   "EE=1 again: still 1\n"
        exit    0

wrong:  mr      r18, r17
        print   "taken: "
        print_number r18
        print   "\n"
        exit    1

doorbell:
        addi    r17, r17, 1
        rfid

        .bss
        .balign 8
sent:   .skip   8
