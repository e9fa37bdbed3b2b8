# Counts in r3 for ever.
        .globl  _start
_start: li      3, 0
spin:   addi    3, 3, 1
        b       spin
