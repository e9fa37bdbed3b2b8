# Strings and constants that are merged: equal ones, tails, and places in the middle or in padding.
    .globl _start
    .section .rodata.str1.1, "aMS", @progbits, 1
hello:  .string "hello world"
world:  .string "world"
again:  .string "hello world"
letter: .string "x"
empty:  .string ""
old:    .string "old"
    .section .rodata.str1.8, "aMS", @progbits, 1
    .balign 8
aligned: .string "world"
    .balign 8
longer: .string "a longer string"
    .balign 8
tail:   .string "string"
    .balign 8
ing:    .string "ing"
    .section .rodata.wide, "aMS", @progbits, 4
    .balign 4
wide:   .long 'a', 'b', 0
narrow: .long 'b', 0
    .section .rodata.cst8, "aM", @progbits, 8
    .balign 8
one:    .quad 1
two:    .quad 2
uno:    .quad 1
    .text
_start:
    lis 3, world@ha
    addi 3, 3, world@l
    li 4, old - letter
    .data
    .quad hello, world, again, letter, empty, old, aligned, longer, tail, ing
    .quad world + 2, hello - ., one, two, uno, uno + 4, wide, narrow
    .long again - hello, .Lafter - hello
    .section .rodata.str1.1
.Lafter:
