# Slots of the global offset table: needed, not needed, and both.
 .globl _start
_start:
 addis 3,2,x@got@ha
 ld 3,x@got@l(3)
 ld 4,y@got(2)
 addis 5,2,x@got@ha
 ld 5,x@got@l(5)
 li 6, y@got
 addi 7,2,y@got
 addis 3,2,x@toc@ha
 lwz 3,x@toc@l(3)
 lwz 3,x@toc(2)
 blr
 .data
 .globl x
x: .quad 1
y: .quad 2
