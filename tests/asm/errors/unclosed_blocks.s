# What is opened must be closed.
        .if 1
        .rept 2
        nop
