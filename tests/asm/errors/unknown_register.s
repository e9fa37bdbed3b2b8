# Registers that do not exist, or are of another kind.
        add r3, r4, r32
        add r3, cr1, r5
        mfspr r3, DPDSE
        cmpwi cr8, r3, 0
        li %r3, %r4
