# Too many arguments, and one that is required.
        .macro put value:req, count=1
        .fill \count, 4, \value
        .endm
        put 1, 2, 3
        put
        put count=3
