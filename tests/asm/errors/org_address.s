# An address beyond the partition's.
        .org 0x1000000000000000
