# Sections, their stack, and differences across what was switched away from and back.
    .text
one: nop
    .data
    .long 1
    .text
two: nop
    .long two - one
    .section .rodata, "a", @progbits
    .long 2
    .section .rodata.str1.8, "aMS", @progbits, 1
    .string "text"
    .previous
    .long 3
    .pushsection .data
    .long 4
    .popsection
    .long 5
    .section ".text.other", "ax"
three: nop
    .long . - three
    .bss
    .space 16
    .text
    .long 6
    .section .note, "", @note
    .long 1
