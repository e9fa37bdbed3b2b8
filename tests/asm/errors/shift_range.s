# A shift amount of 6 bits.
        sldi r3, r4, 64
