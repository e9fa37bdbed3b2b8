# An immediate that its field cannot hold.
start:  addi r3, r4, 40000
