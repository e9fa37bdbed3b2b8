# A little-endian guest: byte order in memory, and interrupts that keep it.
#
# With MSR[LE] set, instructions and data are little-endian. An interrupt takes the endianness of
# LPCR[ILE], which belongs to the hypervisor: H_SET_MODE asks it for little-endian interrupts.
# Characters in H_PUT_TERM_CHAR's registers stay most significant first.
#
# smt:    1 2 4 8
# hosts:  power8 power9
# endian: little
# prints: the lowest address holds the lowest byte
# prints: ldbrx reads it the other way round
# prints: a doorbell was taken in little-endian mode
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"

        interrupt 0xa00, doorbell

        .text
        .globl  _start
_start:
        cmpdi   r3, 0
        bne     idle
        address r16, value
        lbz     r5, 0(r16)
        cmpwi   r5, 0x88
        bne     wrong
        print   "the lowest address holds the lowest byte\n"

        ld      r5, 0(r16)
        ldbrx   r6, 0, r16
        rldicl  r5, r5, 8, 56                   # its first byte is the other's last
        clrldi  r6, r6, 56
        cmpd    r5, r6
        bne     wrong
        print   "ldbrx reads it the other way round\n"

        li      r4, 1                           # little-endian,
        li      r5, 4                           # resource: interrupt endianness
        li      r6, 0
        li      r7, 0
        hcall   H_SET_MODE
        cmpdi   r3, 0
        bne     wrong

        li      r17, 0
        mfspr   r5, TIR
        doorbell_message r6, r5
        msgsndp r6
        interrupts_on r5
        interrupts_off r5
        andi.   r5, r17, 1                      # MSR[LE], as the handler saw it
        beq     wrong
        print   "a doorbell was taken in little-endian mode\n"
        exit    0

wrong:  exit    1

idle:   park

doorbell:
        mfmsr   r17
        rfid

        .section .rodata
        .balign 8
value:  .quad   0x1122334455667788
