# All vcpus meet at a barrier three times; nobody leaves before everybody has come.
#
# The barrier is a counter (lwarx/stwcx.) and a sense that the last arrival flips, so that it can
# be used again at once. After each meeting every vcpu checks that all the others had arrived.
#
# smt:    1 2 4 8
# prints: phase 1: {vcpus} arrived
# prints: phase 2: {vcpus} arrived
# prints: phase 3: {vcpus} arrived
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    PHASES, 3

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, count
        address r17, sense
        address r18, phase_of                   # a word for each vcpu
        li      r19, 0                          # my sense
        li      r20, 0                          # my phase

phase:  addi    r20, r20, 1
        sldi    r5, r14, 2
        stwx    r20, r18, r5                    # I have reached this phase,
        bl      barrier

        li      r6, 0                           # and so has everyone
1:      sldi    r5, r6, 2
        lwzx    r7, r18, r5
        cmpw    r7, r20
        blt     broken
        addi    r6, r6, 1
        cmpd    r6, r15
        blt     1b

        cmpdi   r14, 0
        bne     2f
        print   "phase "
        print_number r20
        print   ": "
        print_number r15
        print   " arrived\n"
2:      bl      barrier                         # nobody starts the next while vcpu 0 prints
        cmpwi   r20, PHASES
        blt     phase

        cmpdi   r14, 0
        beq     done
        park
done:   exit    0

broken: print   "the barrier let someone through\n"
        exit    1

# barrier: all r15 vcpus must call it before any returns. Uses r5, r6, cr0 and my sense r19.
barrier:
        xori    r19, r19, 1
        lwsync                                  # what I did comes before my arrival
1:      lwarx   r5, 0, r16
        addi    r5, r5, 1
        stwcx.  r5, 0, r16
        bne-    1b
        cmpw    r5, r15
        bne     2f
        li      r6, 0                           # last: reset the count, then open
        stw     r6, 0(r16)
        lwsync
        stw     r19, 0(r17)
        blr
2:      or      r31, r31, r31
        lwz     r5, 0(r17)
        cmpw    r5, r19
        bne     2b
        or      r2, r2, r2
        isync                                   # read nothing that follows before the sense
        blr

        .bss
        .balign 128                             # a cache line each: what lwarx reserves
count:  .skip   128
sense:  .skip   128
phase_of:
        .skip   4 * 8
