# .equiv sets a symbol once.
        .equiv limit, 5
        .equiv limit, 6
