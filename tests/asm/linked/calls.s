# Calls: to a local entry, to a weak function that is not there, with offsets, through numbers.
    .globl _start, far
    .weak absent
_start:
    bl near
    bl far
    nop
    bl far + 4
    bl absent
    b absent
    beq far_label
    bdnz _start
    lis 3, absent@ha
    ori 3, 3, absent@l
    b near
    .type far, @function
far:
0:  addis 2, 12, .TOC. - 0b@ha
    addi 2, 2, .TOC. - 0b@l
    .localentry far, . - far
    bl far
far_label:
    addis 3, 2, value@toc@ha
    lwz 3, value@toc@l(3)
    ld 3, value@toc(2)
    std 3, value@toc@l(2)
    lis 4, value@highest
    ori 4, 4, value@higher
    oris 4, 4, value@h
    ori 4, 4, value@l
    ld 4, value@l(4)
    lis 5, value@higha
    lis 5, (value + 0x8000)@high
near:
    blr
    .data
value: .quad 7, value, near - _start, absent
    .long far_label - ., value - .
    .section .toc, "aw"
    .quad value
entry: .quad value + 8
    .quad .TOC.@tocbase
    .text
    ld 3, entry@toc(2)
    addis 3, 2, entry@toc@ha
    ld 3, entry@toc@l(3)
