# Every vcpu says hello, in order of its number.
#
# Shows how a bare guest starts (r3 = vcpu id, r4 = number of vcpus), prints through the
# hypervisor, waits for another vcpu through memory, and ends.
#
# smt:    1 2 4 8
# prints: hello from vcpu {vcpu} of {vcpus}
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        .text
        .globl  _start
_start:
        mr      r14, r3                         # who I am
        mr      r15, r4                         # of how many
        address r16, turn

# The or with r31 lowers this thread's priority while it spins: on a real core its siblings get
# the cycles it would waste. Here it is a no-op that costs one instruction.
wait:   or      r31, r31, r31
        ld      r5, 0(r16)
        cmpd    r5, r14
        bne     wait
        or      r2, r2, r2                      # normal priority again

        print   "hello from vcpu "
        print_number r14
        print   " of "
        print_number r15
        print   "\n"

        addi    r14, r14, 1
        cmpd    r14, r15
        beq     last
        lwsync                                  # what we did comes before what we announce
        std     r14, 0(r16)
        park

last:   exit    0

        .bss
        .balign 8
turn:   .skip   8                               # the vcpu that may speak
