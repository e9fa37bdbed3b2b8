# One name for two places.
here:   nop
        nop
here:   nop
        .set here, 5
