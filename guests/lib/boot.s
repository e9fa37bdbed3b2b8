# In place of firmware on QEMU's pseries machine:
#   qemu-system-ppc64 -M pseries,kernel-addr=0,... -bios boot.bin -kernel NAME.be
#   qemu-system-ppc64 -M pseries,... -bios boot.pie.bin -kernel NAME.pie.be
# QEMU loads the guest, enters this at 0x100 with r3 = device tree, and the guest's entry point is
# its lowest address: where it was linked, or 0x400000, where QEMU puts kernels.
        .org    0x100
        lis     4, ENTRY@h
        ori     4, 4, ENTRY@l
        mtctr   4
        bctr
