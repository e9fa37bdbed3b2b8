# In place of firmware on QEMU's pseries machine:
#   qemu-system-ppc64 -M pseries,kernel-addr=0,... -bios boot.bin -kernel GUEST
# QEMU loads the guest at its own addresses, enters this at 0x100 with r3 = device tree, and the
# guest's entry point is its lowest address.
        .org    0x100
        lis     4, 1                    # 0x10000, see guest.lds
        mtctr   4
        bctr
