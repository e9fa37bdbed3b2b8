"""Whole machines for tests: assemble, load, run."""

from emu.asm import assemble
from emu.hv.host import Host

VECTORS = """
        .org 0x500
        addi 18,18,1
        rfid
        .org 0x700
        mfspr 19,27
        mfspr 20,26
        addi 20,20,4
        mtspr 26,20
        rfid
        .org 0x900
        addi 16,16,1
        lis 21,0x7fff
        mtspr 22,21
        rfid
        .org 0xa00
        addi 17,17,1
        rfid
        .org 0x10000
        .globl _start
"""

H_EXIT = """
        lis 3,0
        ori 3,3,0xf100
        sc 1
"""


def machine(source, *, smt=1, vcpu_ids=None, host="power9", vectors=True, **options):
    """A host with one VM that has this program; `exit` in it ends the run with status r4."""
    text = (VECTORS if vectors else "") + source.replace("exit!", H_EXIT)
    made = Host(host, **options)
    vm = made.create_vm(memory=1 << 20, smt=smt)
    for vcpu_id in range(smt) if vcpu_ids is None else vcpu_ids:
        vm.create_vcpu(vcpu_id)
    vm.load(assemble(text))
    return made


# Every vcpu waits for a doorbell, counts it, and rings the next one; vcpu 0 begins, and ends it.
RING = """
_start: mr 14,3
        mr 15,4
        cmpdi 14,0
        bne wait
send:   li 5,5
        sldi 5,5,27
        addi 6,14,1
        cmpd 6,15
        blt 1f
        li 6,0
1:      or 5,5,6
        msgsndp 5
        addi 22,22,1
        cmpdi 14,0
        bne wait
        cmpdi 22,50
        li 4,0
        bge done
wait:   cmpdi 17,0
        bne got
        li 3,0xe0
        sc 1
        mfmsr 8
        rldicl 8,8,48,1
        rotldi 8,8,16
        mtmsrd 8,1
        b wait
got:    li 17,0
        b send
done:   exit!
"""
