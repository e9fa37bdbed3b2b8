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

# Until the decrementer is 200 microseconds below zero: QEMU posts the interrupt a little late.
await_underflow:
        mfdec   9
        cmpwi   9, -32768
        bge     await_underflow
        addis   9, 9, 1                 # -98304 < DEC
        cmpwi   9, -32768
        bge     await_underflow
        blr

thread: blr
