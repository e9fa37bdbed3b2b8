# What is closed must have been opened.
        .endif
        .else
        .endm
        .endr
        .popsection
