# A section without contents holds zeros.
        .bss
        .space 4
        .long 5
        nop
