# Thread 0 counts in r8 while thread 1 sends it doorbells, whose handler counts in r17.
        .globl  _start
_start: mfspr   14, 446
        cmpdi   14, 0
        bne     other
        mfmsr   5
        ori     5, 5, 0x8000
        mtmsrd  5, 1
        li      8, 0
loop:   addi    8, 8, 1
        cmpdi   8, 500
        bne     loop
        b       .
other:  lis     7, 0x2800
        msgsndp 7
        addi    9, 9, 1
        b       other
        .org    0xa00
        addi    17, 17, 1
        rfid
