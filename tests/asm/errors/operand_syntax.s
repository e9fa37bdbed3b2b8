# Operands that cannot be read.
        addi r3, r4, (1 + 2
        addi r3, r4, 1 +
        addi r3,, 5
        addi r3, r4 5
        addi r3, r4, 5,
        addi r3, r4, ?
        addi r3, r4, 0x
