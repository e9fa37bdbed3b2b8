# Interprocessor interrupts through the XICS, from vcpu to vcpu, under priorities.
#
# An IPI is a request in the target's MFRR; it is presented when it is more favoured (a lower number)
# than the target's CPPR. H_XIRR accepts it and raises the CPPR to its priority, H_EOI restores it.
# The external interrupt stays asserted until then: nothing is lost while MSR[EE] is 0.
#
# smt:    1 2 4 8
# prints: an IPI of priority 4 waits while the CPPR is 4
# prints: vcpu {vcpu} took an IPI at priority 4
# prints: every IPI came once
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    H_EOI,        0x64
        .set    H_CPPR,       0x68
        .set    H_IPI,        0x6c
        .set    H_XIRR,       0x74
        .set    XICS_IPI,     2                 # the source that H_XIRR names
        .set    IPI_PRIORITY, 4
        .set    ALL,          0xff              # the least favoured: as CPPR all may come,
        .set    NONE,         0xff              # as MFRR nothing is requested

        interrupt 0x500, external

# send_ipi SERVER: ask for an interrupt of another vcpu, or of oneself.
        .macro  send_ipi server
        mr      r4, \server
        li      r5, IPI_PRIORITY
        hcall   H_IPI
        .endm

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        li      r17, 0                          # IPIs taken; belongs to the handler
        li      r18, -1                         # the priority of the last one
        cmpdi   r14, 0
        bne     open

        li      r4, IPI_PRIORITY
        hcall   H_CPPR
        send_ipi r14                            # to itself: 4 is not less than 4, so it waits
        interrupts_on r5
        cmpdi   r17, 0
        bne     early
        print   "an IPI of priority 4 waits while the CPPR is 4\n"
        interrupts_off r5

open:   li      r4, ALL
        hcall   H_CPPR
asleep: cmpdi   r17, 0                          # interrupts are off: H_CEDE turns them on
        bne     awake
        hcall   H_CEDE
        interrupts_off r5
        b       asleep

awake:  print   "vcpu "
        print_number r14
        print   " took an IPI at priority "
        print_number r18
        print   "\n"
        cmpdi   r17, 1
        bne     often
        addi    r19, r14, 1
        cmpd    r19, r15
        beq     last
        send_ipi r19
        park

last:   print   "every IPI came once\n"
        exit    0
early:  print   "the IPI came in spite of the CPPR\n"
        exit    1
often:  print   "more than one interrupt for one IPI\n"
        exit    1

# Whoever is interrupted is at H_CEDE or has interrupts off soon after: r3-r12 are free.
external:
        hcall   H_XIRR                          # r4 = CPPR before, and the source
        mr      r20, r4
        clrldi  r5, r4, 40
        cmpdi   r5, XICS_IPI
        bne     2f                              # nothing there: a line that came down again
        mr      r4, r14
        li      r5, NONE
        hcall   H_IPI                           # the request is served
        hcall   H_XIRR                          # nothing pending: it only shows the CPPR
        extrdi  r18, r4, 8, 32
        addi    r17, r17, 1
        mr      r4, r20
        hcall   H_EOI                           # back to the CPPR of before
2:      rfid
