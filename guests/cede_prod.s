# H_CEDE puts a vcpu to sleep, H_PROD wakes it, and a prod that comes first is remembered.
#
# vcpu 0 prods itself and then cedes: the prod is pending, so H_CEDE returns at once. Then it prods
# the others one by one; each speaks only after its prod. No interrupt is involved.
#
# H_CEDE may also return for no reason: a virtual core on POWER7 or POWER8 starts with all its
# threads, idle ones too. So a sleeper looks whether its turn has come.
#
# smt:    1 2 4 8
# prints: vcpu 0 was prodded before it ceded
# prints: vcpu {other} was prodded
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, spoken
        cmpdi   r14, 0
        bne     sleeper

        li      r4, 0
        hcall   H_PROD
        hcall   H_CEDE                          # would sleep for ever but for the prod
        print   "vcpu 0 was prodded before it ceded\n"
        li      r17, 1                          # whom to wake next
next:   cmpd    r17, r15
        bge     done
        std     r17, 8(r16)
        lwsync
        mr      r4, r17
        hcall   H_PROD
        cmpdi   r3, 0
        bne     refused
1:      or      r31, r31, r31                   # until it has spoken
        ld      r5, 0(r16)
        cmpd    r5, r17
        bne     1b
        addi    r17, r17, 1
        b       next
done:   exit    0

refused:
        print   "H_PROD was refused\n"
        exit    1

# A prod may come before this vcpu cedes: then H_CEDE returns at once, and nothing is lost.
sleeper:
        hcall   H_CEDE
        ld      r5, 8(r16)
        cmpd    r5, r14
        bne     sleeper
        print   "vcpu "
        print_number r14
        print   " was prodded\n"
        lwsync
        std     r14, 0(r16)
        park

        .bss
        .balign 8
spoken: .skip   8                               # the vcpu that spoke last,
        .skip   8                               # and the one whose turn it is
