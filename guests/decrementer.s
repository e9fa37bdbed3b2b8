# The decrementer ticks five times, and the vcpu sleeps in between.
#
# The decrementer counts down with the timebase and interrupts at 0x900 for as long as it is
# negative, so the handler's first duty is to load it again. While every vcpu sleeps the machine
# has nothing to run and its time jumps to the next decrementer: waiting costs nothing.
#
# smt:    1 2 4 8
# prints: tick 1
# prints: tick 2
# prints: tick 3
# prints: tick 4
# prints: tick 5
# prints: no tick came early
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    TICKS,  5
        .set    PERIOD, 10000                   # timebase ticks

        interrupt 0x900, decrementer

        .text
        .globl  _start
_start:
        cmpdi   r3, 0
        bne     idle
        li      r17, 0                          # ticks so far; belongs to the handler
        li      r18, PERIOD                     # likewise
        li      r20, 0                          # ticks reported
        mftb    r19                             # when the clock was started
        mtdec   r18

asleep: cmpd    r17, r20
        bne     ticked
        hcall   H_CEDE                          # turns interrupts on
        interrupts_off r5
        b       asleep

ticked: addi    r20, r20, 1
        mftb    r21
        print   "tick "
        print_number r20
        print   "\n"
        sub     r5, r21, r19                    # tick t comes after t periods, not before
        mulld   r6, r20, r18
        cmpld   r5, r6
        blt     early
        cmpdi   r20, TICKS
        blt     asleep
        print   "no tick came early\n"
        exit    0

early:  print   "a tick came early\n"
        exit    1

idle:   park

decrementer:
        mtdec   r18
        addi    r17, r17, 1
        rfid
