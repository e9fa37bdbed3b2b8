# Characters that no operand has.
        li r3, $5
        li r3, 5\
