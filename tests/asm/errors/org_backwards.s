# Relative to a label, .org moves forward only.
start:  nop
        nop
        .org start
