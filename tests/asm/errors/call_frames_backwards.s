        .org 0x20000
_start: .cfi_startproc
        nop
        .org 0x18000
        .cfi_undefined lr
        nop
        .cfi_endproc
