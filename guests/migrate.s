# A VM that is saved and restored wherever it is does not notice: what is pending stays pending.
#
# Every thread rings the next one with its own interrupts off, works for some thousand instructions
# with the doorbell pending, and only then lets it in. It must have come once: lost in between is 0,
# doubled is 2. The decrementer was set before, and comes once too, no earlier than it should.
#
#   emu run guests/migrate.s --smt 4 --host power8 --save vm --save-at 9000
#   emu run --restore vm --host power9
#
# smt:    1 2 4 8
# hosts:  power8 power9
# prints: {vcpus} threads: each took one doorbell and one decrementer interrupt
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        .set    ROUNDS, 3000
        .set    TICKS,  2000

        interrupt 0x900, decrementer
        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, ended
        li      r17, 0                          # doorbells taken; belongs to the handler
        li      r18, 0                          # decrementer interrupts taken; likewise
        li      r19, 0                          # the timebase when it came
        mftb    r20
        li      r5, TICKS
        mtdec   r5
        addi    r5, r14, 1
        cmpd    r5, r15
        blt     1f
        li      r5, 0
1:      doorbell_message r6, r5
        msgsndp r6

        li      r5, ROUNDS                      # work: a sum that any lost register spoils
        mtctr   r5
        li      r21, 0
2:      addi    r21, r21, 3
        bdnz    2b
        cmpdi   r21, 3 * ROUNDS
        bne     wrong
        cmpdi   r17, 0
        bne     wrong
        cmpdi   r18, 0
        bne     wrong

        interrupts_on r5
3:      mftb    r5                              # the neighbour may be later than this thread,
        subf    r5, r20, r5                     # but not for ever
        lis     r6, 0x10
        cmpd    r5, r6
        bgt     wrong
        cmpdi   r17, 0
        beq     3b
        cmpdi   r18, 0
        beq     3b
        li      r5, 200
        mtctr   r5
4:      bdnz    4b                              # time for what should not come
        interrupts_off r5
        cmpdi   r17, 1
        bne     wrong
        cmpdi   r18, 1
        bne     wrong
        subf    r5, r20, r19
        cmpdi   r5, TICKS
        blt     wrong

5:      ldarx   r5, 0, r16
        addi    r5, r5, 1
        stdcx.  r5, 0, r16
        bne-    5b
        cmpdi   r14, 0
        beq     6f
        park

6:      ld      r5, 0(r16)
        cmpd    r5, r15
        blt     6b
        print_number r15
        print   " threads: each took one doorbell and one decrementer interrupt\n"
        exit    0

wrong:  mr      r22, r17
        print   "thread "
        print_number r14
        print   " took "
        print_number r22
        print   " doorbells and "
        print_number r18
        print   " decrementer interrupts\n"
        exit    1

decrementer:
        addi    r18, r18, 1
        mftb    r19
        lis     r23, 0x7fff
        mtdec   r23
        rfid

doorbell:
        addi    r17, r17, 1
        rfid

        .bss
        .balign 8
ended:  .skip   8
