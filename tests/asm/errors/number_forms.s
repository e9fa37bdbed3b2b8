# Numbers that are none, or too large.
        .long 0b102
        .long 12ab
        .long 089
        .quad 0x12345678123456789
