# Thread 0 rings thread 1 and waits for its answer. Thread 1 has interrupts on and never cedes.
#
# Nothing but the doorbell leads to the end: a hypervisor that forgets it leaves both threads busy
# for ever. docs/finding_a_race.md looks for one that does.
#
# smt:    2 4 8
# hosts:  power8 power9
# prints: answered
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        address r16, answer
        cmpdi   r3, 1
        blt     ring
        beq     work
        park

ring:   li      r5, 1
        doorbell_message r6, r5
        msgsndp r6
wait:   ld      r5, 0(r16)
        cmpdi   r5, 0
        beq     wait
        print   "answered\n"
        exit    0

work:   interrupts_on r5
1:      addi    r14, r14, 1
        b       1b

doorbell:
        li      r5, 1
        std     r5, 0(r16)
        rfid

        .bss
        .balign 8
answer: .skip   8
