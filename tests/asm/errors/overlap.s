# Two handlers at one address.
        .org 0x100
        .space 0x200
        .org 0x200
        nop
