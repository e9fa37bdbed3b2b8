# Starts a bare guest on QEMU's pseries machine in the state in which it starts on ours: 64-bit real
# mode, big-endian, everything 0 but r1 = STACK, r4 = 1 (one vcpu) and the decrementer far away.
        .org    0x100
        .irp    n, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
        li      \n, 0
        .endr
        .irp    n, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        li      \n, 0
        .endr
        lis     4, 0x7fff
        mtdec   4
        li      1, 1
        sldi    1, 1, 63
        ori     1, 1, 0x1000
        mtmsrd  1
        lis     4, ENTRY@h
        ori     4, 4, ENTRY@l
        mtctr   4
        li      4, 1
        lis     1, STACK@h
        mtlr    0
        mtcr    0
        mtxer   0
        bctr
