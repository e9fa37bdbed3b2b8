# A virtual core that runs only when none of its vcpus is busy in the host: KVM's rule of 2011.
#
# vcpu 0 stays in userspace for a hundred thousand ticks (H_BUSY). The others note the longest time
# between two of their own steps: they stood still as long, because the virtual core was waiting for
# vcpu 0. With `--run-when any`, the rule since 2012, they go on, and this guest fails.
#
# smt:     2 4 8
# hosts:   power7 power8
# options: --run-when none-busy
# prints:  nobody ran while vcpu 0 was busy in the host
# exit:    0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    H_BUSY, 0xf104
        .set    TICKS, 100000

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, longest
        address r17, arrived
        li      r20, 0                          # my longest time between two steps
1:      lwarx   r5, 0, r17
        addi    r5, r5, 1
        stwcx.  r5, 0, r17
        bne-    1b
2:      lwz     r5, 0(r17)                      # all are here
        cmpw    r5, r15
        bne     2b
        cmpdi   r14, 0
        beq     busy

        sldi    r18, r14, 3
        mftb    r5
watch:  mftb    r6
        subf    r7, r5, r6
        mr      r5, r6
        cmpd    r7, r20
        ble     watch
        mr      r20, r7
        stdx    r20, r16, r18
        b       watch

busy:   li      r5, 20000                       # by now the others look at the clock
        mtctr   r5
1:      bdnz    1b
        lis     r4, TICKS@ha
        addi    r4, r4, TICKS@l
        hcall   H_BUSY
        li      r5, 20000                       # the others look at the clock once more
        mtctr   r5
1:      bdnz    1b
        li      r19, 1
2:      sldi    r5, r19, 3
        ldx     r6, r16, r5
        lis     r7, TICKS@ha
        addi    r7, r7, TICKS@l
        cmpd    r6, r7
        blt     ran
        addi    r19, r19, 1
        cmpd    r19, r15
        blt     2b
        print   "nobody ran while vcpu 0 was busy in the host\n"
        exit    0
ran:    print   "vcpu "
        print_number r19
        print   " ran while vcpu 0 was busy in the host\n"
        exit    1

        .bss
        .balign 8
arrived:.skip   8
longest:.skip   8 * 8
