# Words that the architecture excludes.
        lwzu r3, 8(r0)
        ldu r4, 8(r4)
