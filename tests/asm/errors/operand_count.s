# Too few and too many operands.
        add r3, r4
        blr r3
        lwz r3, 8
        nop 1
