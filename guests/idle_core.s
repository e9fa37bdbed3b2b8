# Idle threads nap in the guest's core while another computes, and each wakes when its time comes.
#
# vcpu 0 computes. The others arm their decrementers for different times and cede. On POWER7 and
# POWER8 they nap where they are, and vcpu 0 is not disturbed (`--stats`: the virtual core runs on
# until vcpu 0 prints); on POWER9 their tasks sleep in the host. Nobody may wake early, or much too late.
#
# smt:    2 4 8
# prints: all woke by their decrementers, in time
# exit:   0

        .include "include/bare.inc"
        .include "include/console.inc"
        .set    STEP, 5000                      # vcpu n sleeps n times as long
        .set    LATE, 60000

        interrupt 0x900, decrementer

        .text
        .globl  _start
_start:
        mr      r14, r3
        mr      r15, r4
        address r16, woken
        cmpdi   r14, 0
        beq     compute

        mulli   r5, r14, STEP
        mftb    r19
        add     r19, r19, r5                    # when to wake
        li      r17, 0
        mtdec   r5
asleep: hcall   H_CEDE                          # may also return for no reason
        interrupts_off r5
        cmpdi   r17, 0
        beq     asleep
        subf.   r5, r19, r18                    # how late it was
        blt     early
        cmplwi  r5, LATE
        bgt     late
        lwsync
1:      ldarx   r5, 0, r16
        addi    r5, r5, 1
        stdcx.  r5, 0, r16
        bne-    1b
        park

compute:
        addi    r6, r15, -1
1:      ld      r5, 0(r16)
        cmpd    r5, r6
        bne     1b
        print   "all woke by their decrementers, in time\n"
        exit    0
early:  print   "a decrementer came early\n"
        exit    1
late:   print   "a decrementer came late\n"
        exit    1

# The decrementer: note the time, and put the next one far away.
decrementer:
        mftb    r18
        li      r17, 1
        lis     r10, 0x7fff
        mtdec   r10
        rfid

        .bss
        .balign 8
woken:  .skip   8
