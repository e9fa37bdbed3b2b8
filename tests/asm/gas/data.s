# Data directives of every size, strings and fillers.
    .data
    .byte 1, -1, 255, -128, 'a', '\n', 0x7f, 077, 0b101
    .2byte 1, -2, 0x1234
    .short 5
    .hword 6
    .word 7
    .balign 4
    .4byte 1, -2, 0xdeadbeef
    .long 3
    .int 4
    .8byte 1, -2, 0x123456789abcdef0
    .quad 5
    .llong 6
    .ascii "a\101\x42\n\\\"", "b", "\0"
    .asciz "x" "y"
    .string "\x4142", "caf\303\251"
    .string8 "z"
    .balign 8
    .uleb128 0, 127, 128, 300, -1, 0x123456789
    .sleb128 0, 63, 64, -64, -65, -300, 0x7fffffffffffffff
    .space 3
    .skip 5, 0x11
    .zero 2
    .fill 3, 2, 0x1234
    .fill 2, 8, 0x123456789
    .fill 2, 3, 0x123456
    .fill 3
    .fill 1, 4, -1
    .p2align 3
    .byte 1
    .p2align 4, 0x55
    .byte 1
    .p2align 4,, 3
    .balign 8, 0xaa
    .byte 1, 2
    .balignw 8, 0x1234
    .balign 32
    .balignl 16, 0x12345678
    .float 1.5, -2
    .double 2.5
    .octa 0x0123456789abcdef0123456789abcdef, 5
    .dc.b 1
    .dc.w 2
    .dc.l 3
start:
    .long end - start, (end - start) * 2 + 1, (end - start) >> 1, . - start
    .byte end - start
    .uleb128 end - start
    .balign 4
    .byte 1, 2, 3
end:
    .space after - before
before: .byte 1, 2, 3
after:
    .uleb128 after - before, last - before
    .balign 16
    .byte 1
last:
    .set later, 5
    .byte later, sooner
    .set sooner, 6
    .equ later, later + 1
    later2 = later + 1
    .byte later, later2
    .equiv once, 9
    .byte once
