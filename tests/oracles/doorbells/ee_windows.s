# smt: 2
# A pending doorbell waits for MSR[EE], however EE is opened: mtmsrd L=1, mtmsrd L=0, mtmsr, rfid.
# The interrupt comes before the next instruction (rfid: the target); within the handler EE is 0,
# so a doorbell sent there waits for the handler's rfid.
        .include "bare.inc"

        .macro  REPORT name, place
        EE_OFF
        SAY     "\name: taken "
        ld      3, DOORBELLS(13)
        bl      say_hex
        ADDRESS 5, \place
        ld      4, LAST_SRR0(13)
        subf    26, 5, 4
        SAY     ", srr0 off by "
        SAY_HEX 26
        SAY     ", srr1 "
        SAY_BLOCK LAST_SRR1
        .endm

main:   mflr    27
        SEND    0
        EE_ON
after1: REPORT  "mtmsrd 1", after1

        SEND    0
        mfmsr   9
        ori     9, 9, 0x8000
        mtmsrd  9
after2: REPORT  "mtmsrd 0", after2

        SEND    0
        mfmsr   9
        ori     9, 9, 0x8000
        mtmsr   9
after3: REPORT  "mtmsr", after3

        SEND    0
        mfmsr   9
        ori     9, 9, 0x8000
        mtsrr1  9
        ADDRESS 9, after4
        mtsrr0  9
        rfid
after4: REPORT  "rfid", after4

        EE_ON                           # open before it is sent: taken after msgsndp
        MESSAGE 9, 0
        msgsndp 9
        isync
        mfspr   25, 176
        EE_OFF
        SAY     "sent with the window open: taken "
        SAY_BLOCK DOORBELLS
        SAY     "dpdes then "
        SAY_HEX 25
        bl      say_newline

        ADDRESS 9, again
        std     9, HOOK(13)
        SEND    0
        EE_ON
after6: nop
        EE_OFF
        SAY     "one more sent by the handler: taken "
        SAY_BLOCK DOORBELLS
        ADDRESS 5, after6
        ld      4, LAST_SRR0(13)
        subf    26, 5, 4
        SAY     "both return to the same place: off by "
        SAY_HEX 26
        bl      say_newline
        mtlr    27
        blr

again:  li      30, 0                   # in the handler: send once more, the first time only
        std     30, HOOK(13)
        lis     30, DBELL@h
        msgsndp 30
        mfspr   30, 176
        std     30, SEEN(13)
        blr

thread: blr
