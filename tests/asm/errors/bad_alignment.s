# Alignment is a power of two.
        .balign 12
        .p2align 17
