# A conditional branch that reaches 32 KiB and no further.
        beq far
        .space 40000
far:    nop
