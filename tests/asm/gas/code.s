# Instructions: spellings of registers, condition bits, numeric labels, alignment in code.
    .machine power9
    .text
    .globl _start
_start:
    li r3, 7
    addi 4, 3, -1
    lis %r5, 0x8000
    lis 5, -0x8000
    ori r5, r5, 0xffff
    add r3, r4, r5
    add. 3, 4, 5
    lwz r3, 8(r1)
    lwz 3, -8(1)
    ld %r3, 16(%r1)
    std r31, -8(r1)
    stdu r1, -(32 + 16)(r1)
    lwzu r3, 4*(2+1)(r9)
    lwz r3, (8)(r1)
    crand 4*cr1+eq, lt, 4*cr7+so
    crxor 6, 6, 6
    cmpwi cr7, r4, 9
    cmpwi r4, 9
    cmpw 0, 3, 4
    cmpldi cr3, r4, 65535
1:  bne cr7, 1b
    beq 2f
    bdnz 1b
    bdnzt eq, 1b
    bc 12, 4*cr1+eq, 1b
    bc 4, 2, 2f
    bne+ cr1, 1b
    bne- 2f
    blt cr6, 1b ; bgt 1b ; bso cr2, 1b
    bclr 20, 0
    bctrl
2:  bl external
    bl external + 4
    b .
    b . + 8
    b .-4
    beqlr cr2
    rlwinm r3, r4, 5, 6, 7
    rlwinm r3, r4, 5, 0x00ffff00
    srwi r3, r4, 3
    sldi r3, r4, 20
    clrldi r3, r4, 32
    mfspr r3, 446
    mfspr r3, 8
    mtspr 9, r3
    mfcr 3
    mtcrf 0xff, 3
    mtcrf 0x80, 3
    sync
    lwsync
    isync
    sc
    sc 1
    trap
    twi 31, 3, 5
    tdi 0, 0, 0x48
    msgsndp r4
    nop
    .balign 8
    nop
    .balign 32
    .balign 64
    nop
    .balign 128
    .byte 1
    .balign 4
    .byte 1
    .balign 16
    .p2align 4,, 5
    nop
    .p2align 4,, 15
external:
    addis 3, 2, 0x12345678@ha
    addi 3, 3, 0x12345678@l
    lis 3, 0x123456789abcdef0@highest
    ori 3, 3, 0x123456789abcdef0@higher
    oris 3, 3, 0x9abcdef0@h
    ori 3, 3, 0x9abcdef0@l
    lis 3, 0xfedc9abcdef08888@highesta
    lis 3, 0xfedc9abcdef08888@highera
    lis 3, 0x0edc9abcdef08888@high
    lis 3, 0x0edc9abcdef08888@higha
    li 3, (external - _start)@l
    li 3, external - _start
    cmpwi 3, external - 1b
    blr
