# Numeric labels that are not there.
        b 1f
        b 2b
1:      .if 0
1:      .endif
        b 1f
