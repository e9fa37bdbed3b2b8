# The threads of one virtual core pass a token round, each waking the next with a doorbell.
#
# A thread that does not hold the token is ceded: it runs nothing until its doorbell comes. On a
# POWER9 host every msgsndp traps (HFSCR[MSGP] is clear) and the hypervisor makes the next vcpu's
# doorbell pending; the guest cannot tell.
#
# smt:    1 2 4 8
# hosts:  power8 power9
# prints: round 1: {each}
# prints: round 2: {each}
# prints: round 3: {each}
# prints: the token is home after 3 rounds
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    ROUNDS, 3

# Directed privileged doorbell: say so in r17, which belongs to this handler, and go back.
        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        mfspr   r14, TIR                        # which thread of the core this is
        mr      r15, r4                         # how many there are
        address r16, hops
        li      r17, 0                          # doorbells taken and not yet answered
        cmpdi   r14, 0
        beq     holding                         # thread 0 has the token from the start

# Sleep until the doorbell has been taken. Interrupts are off here, so one that comes between the
# test and H_CEDE stays pending; H_CEDE turns them on and returns at once if something pends.
asleep: cmpdi   r17, 0
        bne     woken
        hcall   H_CEDE
        interrupts_off r5
        b       asleep
woken:  li      r17, 0

# The token says how many hops it made: hop h is thread h mod n's turn.
holding:
        ld      r18, 0(r16)
        divdu   r5, r18, r15
        mulld   r5, r5, r15
        subf    r5, r5, r18
        cmpd    r5, r14
        bne     astray

        cmpdi   r14, 0
        bne     1f
        divdu   r19, r18, r15                   # thread 0 begins each round
        cmpdi   r19, ROUNDS
        beq     home
        addi    r19, r19, 1
        print   "round "
        print_number r19
        print   ":"
1:      print   " "
        print_number r14
        addi    r19, r14, 1                     # the next thread,
        cmpd    r19, r15
        bne     2f
        print   "\n"
        li      r19, 0                          # and after the last the first

2:      addi    r18, r18, 1
        std     r18, 0(r16)
        lwsync                                  # the token arrives before the doorbell
        doorbell_message r5, r19
        msgsndp r5
        b       asleep

home:   print   "the token is home after "
        print_number r19
        print   " rounds\n"
        exit    0

astray: print   "the token went astray\n"
        exit    1

doorbell:
        addi    r17, r17, 1
        rfid

        .bss
        .balign 8
hops:   .skip   8
