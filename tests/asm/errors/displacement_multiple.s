# A DS displacement that is no multiple of 4.
        std r3, 2(r1)
