# Gives C a stack, and exits with what main answers.
        .globl  _start
        .type   _start, @function
_start: .cfi_startproc
        .cfi_undefined lr
        lis     1, 0x8
        lis     2, .TOC.@ha
        addi    2, 2, .TOC.@l
        bl      main
        nop
        mr      4, 3
        li      3, 0
        ori     3, 3, 0xf100
        sc      1
        .cfi_endproc
        .size   _start, . - _start
        .section .note.GNU-stack, "", @progbits
