# Every vcpu adds 1 to a counter a hundred times under a lock; no addition is lost.
#
# The lock is the architecture's classic: lwarx reserves the word, stwcx. stores only if nobody
# wrote to its cache line since. isync after taking it and lwsync before giving it up keep the
# protected accesses inside.
#
# smt:    1 2 4 8
# prints: the counter is {vcpus}00
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    ADDITIONS, 100

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, lock
        address r17, counter
        address r18, finished
        li      r19, ADDITIONS

again:  bl      take
        ld      r5, 0(r17)                      # not atomic: the lock makes it so
        addi    r5, r5, 1
        std     r5, 0(r17)
        bl      give
        addic.  r19, r19, -1
        bne     again

        bl      take                            # who is the last to finish?
        ld      r20, 0(r18)
        addi    r20, r20, 1
        std     r20, 0(r18)
        bl      give
        cmpd    r20, r15
        beq     last
        park

last:   ld      r20, 0(r17)
        print   "the counter is "
        print_number r20
        print   "\n"
        mulli   r5, r15, ADDITIONS
        cmpd    r20, r5
        bne     lost
        exit    0
lost:   exit    1

# take, give: the lock at r16. Use r5 and cr0.
take:   lwarx   r5, 0, r16, 1                   # the hint: I shall give this up again
        cmpwi   r5, 0
        bne-    held
        li      r5, 1
        stwcx.  r5, 0, r16
        bne-    take
        isync
        blr
held:   or      r31, r31, r31                   # wait without reserving
        lwz     r5, 0(r16)
        cmpwi   r5, 0
        bne     held
        or      r2, r2, r2
        b       take

give:   lwsync
        li      r5, 0
        stw     r5, 0(r16)
        blr

        .bss
        .balign 128
lock:   .skip   128
counter:
        .skip   128
finished:
        .skip   8
