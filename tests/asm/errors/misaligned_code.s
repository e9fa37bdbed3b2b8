# Instructions stand at multiples of 4; the rule is given once.
        .byte 1
        nop
        nop
