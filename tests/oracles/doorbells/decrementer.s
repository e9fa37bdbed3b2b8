# smt: 2
# With a decrementer and a doorbell both pending, opening MSR[EE] takes the decrementer first and
# the doorbell after its rfid; either way round of becoming pending.
        .include "bare.inc"

main:   mflr    27
        SEND    0
        li      9, 1
        mtdec   9
        bl      await_underflow
        EE_ON
        nop
        EE_OFF
        SAY     "doorbell first: order "
        SAY_BLOCK ORDER
        li      9, 0
        std     9, ORDER(13)
        li      9, 1
        mtdec   9
        bl      await_underflow
        SEND    0
        EE_ON
        nop
        EE_OFF
        SAY     "decrementer first: order "
        SAY_BLOCK ORDER
        SAY     "decrementers "
        SAY_BLOCK DECREMENTERS
        SAY     "doorbells "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

# Until the decrementer is 40 milliseconds below zero: QEMU posts the interrupt late.
await_underflow:
        lis     10, -300
1:      mfdec   9
        cmpw    9, 10
        bge     1b
        blr

thread: blr
