# A doorbell names a hardware thread: it goes astray unless virtual thread N runs on thread N.
#
# vcpu 0 is busy in host (H_BUSY: its VMM has work to do), so its virtual core runs without it. Then
# vcpu 1 sends a doorbell to thread 2. KVM of 2011 handed hardware threads out as vcpus became
# runnable, lowest first; since 2014 virtual thread N is on hardware thread N. Run this with
# `--host power8 --thread-assignment first-come` to see the doorbell arrive at another vcpu.
#
# smt:    4 8
# hosts:  power8 power9
# prints: the doorbell for thread 2 came to vcpu 2
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    H_BUSY, 0xf104

        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        mr      r14, r3
        address r16, ready
        cmpdi   r14, 0
        beq     busy

        # vcpus 1 and up meet once vcpu 0 is away; all but vcpu 1 then wait with interrupts on.
1:      ld      r5, 0(r16)
        cmpdi   r5, 0
        beq     1b
        cmpdi   r14, 1
        bne     listen
        li      r5, 20000                       # long enough for everybody to be there
        mtctr   r5
2:      bdnz    2b
        li      r5, 2
        doorbell_message r6, r5
        msgsndp r6
        park

listen: interrupts_on r5
3:      or      r31, r31, r31
        b       3b

busy:   li      r5, 1
        std     r5, 0(r16)
        lis     r4, 8                           # half a million ticks: the rest happens meanwhile
        hcall   H_BUSY
        print   "no doorbell came\n"
        exit    1

# Whoever has been interrupted: was it meant?
doorbell:
        print   "the doorbell for thread 2 came to vcpu "
        print_number r14
        print   "\n"
        subi    r4, r14, 2
        hcall   H_EXIT

        .bss
        .balign 8
ready:  .skip   8
