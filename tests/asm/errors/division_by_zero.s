# A divisor of 0.
        .long 1 / (2 - 2)
