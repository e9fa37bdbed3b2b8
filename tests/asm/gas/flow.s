# Macros, repetitions and conditions.
    .macro push reg, off=8
    std \reg, \off(1)
    .endm
    .macro store regs:vararg
    .long \regs
    .endm
    .macro count
    .long \@
    .endm
    .macro nest a, b
    .if \a
    .long \a
    nest \a-1, \b
    .else
    .long \b
    .endif
    .endm
    .macro paste name
    .set \name\()_size, 5
    .byte \name\()_size, 0, 0, 0
    .endm
    .macro early x
    .if \x
    .exitm
    .endif
    .long 0xffff
    .endm
    .macro need a:req, b=2
    .long \a, \b
    .endm
    push 3
    push 4, 16
    push off=24, reg=5
    store 1, 2, 3
    count
    count
    nest 3, 77
    paste thing
    early 1
    early 0
    need 1
    need 1, 3
    need b=4, a=5
    .rept 3
    .long 5
    .endr
    .irp r, 3, 4, 5
    mr \r, \r
    .endr
    .irpc c, 123
    .long \c
    .endr
    .irp a, 1, 2
    .irp b, 3, 4
    .byte \a, \b
    .endr
    .endr
    .rept 2
    .irp x, 7, 8
    .byte \x
    .endr
    .endr
    .if 0
    .error "not here"
    .elseif 1
    .long 11
    .else
    .long 12
    .endif
    .ifdef nothing
    .long 1
    .else
    .long 2
    .endif
    .set something, 1
    .ifndef something
    .long 3
    .endif
    .ifdef something
    .long 4
    .endif
    .ifeq 0
    .ifgt 1
    .ifle 0
    .iflt -1
    .ifge 0
    .ifne 5
    .long 6
    .endif
    .endif
    .endif
    .endif
    .endif
    .endif
    .ifc a b,a b
    .long 7
    .endif
    .ifnc a,b
    .long 8
    .endif
    .ifb
    .long 9
    .endif
    .ifnb x
    .long 10
    .endif
    .ifeqs "a","a"
    .long 11
    .endif
    .if 5 > 3 && 2 == 2
    .long 12
    .endif
1:  nop
    .if . - 1b == 4
    .long 13
    .endif
    .purgem push
    .macro push
    nop
    .endm
    push
