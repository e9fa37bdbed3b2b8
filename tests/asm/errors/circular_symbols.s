# Symbols that are defined by one another.
        .set a, b
        .set b, a
        .long a
