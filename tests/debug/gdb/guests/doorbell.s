# Thread 0 calls, stores, loads, sends thread 1 a doorbell, counts to 200 and exits with 42.
# Thread 1 cedes, and counts its doorbells in r17.
        .text
        .globl  _start, outer, helper, done
        .type   helper, @function
_start: li      3, 5
        li      5, 0x3000
        stdu    1, -112(1)
        bl      outer
after:  std     3, 0(5)
        nop
        ld      6, 0(5)
        mr      14, 4
        mfspr   15, 446
        cmpdi   15, 0
        bne     sleep
        lis     7, 0x2800
        ori     7, 7, 1
        msgsndp 7
loop:   addi    8, 8, 1
        cmpdi   8, 200
        bne     loop
done:   lis     3, 0
        ori     3, 3, 0xf100
        li      4, 42
        sc      1
sleep:  li      3, 0xe0
        sc      1
        b       sleep

outer:  .cfi_startproc
        mflr    0
        std     0, 16(1)
        stdu    1, -32(1)
        .cfi_def_cfa_offset 32
        .cfi_offset lr, 16
        bl      helper
        addi    1, 1, 32
        .cfi_def_cfa_offset 0
        ld      0, 16(1)
        mtlr    0
        .cfi_restore lr
        blr
        .cfi_endproc

helper: .cfi_startproc
        addi    3, 3, 37
        blr
        .cfi_endproc

        .section .vectors, "ax"
        .org    0xa00
        addi    17, 17, 1
        rfid
