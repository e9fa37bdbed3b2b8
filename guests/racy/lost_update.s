# Every thread adds 1 to a counter with a load, an addition and a store: a lost update.
#
# A run on its own counts right, as it nearly always would on a real machine. `emu explore` shows
# the interleavings in which one store overwrites another's, and how few switches that takes.
#

        .include "../include/bare.inc"

        .text
        .globl  _start
_start:
        address r16, counter
        address r17, arrived
        ld      r5, 0(r16)                      # another thread may add
        addi    r5, r5, 1                       # between these,
        std     r5, 0(r16)                      # and this forgets that it did

1:      ldarx   r6, 0, r17                      # arriving is counted as it should be
        addi    r6, r6, 1
        stdcx.  r6, 0, r17
        bne     1b
        cmpd    r6, r4
        beq     last
        park

last:   ld      r5, 0(r16)                      # all have added
        cmpd    r5, r4
        bne     lost
        exit    0
lost:   exit    1

        .bss
        .balign 128
counter:
        .skip   128
arrived:
        .skip   8
