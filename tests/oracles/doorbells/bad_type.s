# smt: 2
# A message of any type but 5 does nothing, for msgsndp and for msgclrp; bits of RB beside the
# type and the tag do not matter. (Bits 0:31 are left out: QEMU 10 drops such a message.)
        .include "bare.inc"

main:   mflr    27
        li      25, 0                   # types that made the own bit appear, one bit each
        li      24, 0
1:      sldi    9, 24, 27               # type in (RB)32:36, tag 0: this thread
        lwsync
        msgsndp 9
        mfspr   8, 176
        cmpdi   8, 0
        beq     2f
        li      7, 1
        sld     7, 7, 24
        or      25, 25, 7
        MESSAGE 9, 0
        msgclrp 9
2:      addi    24, 24, 1
        cmpwi   24, 32
        blt     1b
        SAY     "types that send: "
        SAY_HEX 25
        bl      say_newline

        li      25, 0
        li      24, 0
3:      SEND    0
        sldi    9, 24, 27
        msgclrp 9
        mfspr   8, 176
        cmpdi   8, 0
        bne     4f
        li      7, 1
        sld     7, 7, 24
        or      25, 25, 7
4:      MESSAGE 9, 0
        msgclrp 9
        addi    24, 24, 1
        cmpwi   24, 32
        blt     3b
        SAY     "types that clear: "
        SAY_HEX 25
        bl      say_newline

        lis     9, DBELL@h + 0x07ff     # every bit from 37 to 56
        ori     9, 9, 0xff80
        msgsndp 9
        mfspr   26, 176
        SAY     "with the other bits set: "
        SAY_HEX 26
        bl      say_newline
        msgclrp 9
        mfspr   26, 176
        SAY     "and cleared with them: "
        SAY_HEX 26
        bl      say_newline
        EE_ON
        EE_OFF
        SAY     "taken "
        SAY_BLOCK DOORBELLS
        mtlr    27
        blr

thread: blr
