# Values that lose bits are warnings; the program is refused for the last line only.
        .byte 256
        .short -32769
        .long 0x100000000
        frob
