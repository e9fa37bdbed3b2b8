# A mistake within macros: the chain of calls.
        .macro store register, offset
        std \register, \offset(r1)
        .endm
        .macro save first
        store \first, 8
        store r32, 16
        .endm
        save r3
        save r4
