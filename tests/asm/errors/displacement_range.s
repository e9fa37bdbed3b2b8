# A displacement that 16 bits cannot hold.
        lwz r3, 32768(r1)
