# A function that saves registers and has two ends, one that saves nothing, and what starts it all.
	.globl	f
f:	.cfi_startproc
	mflr 0
	.cfi_register 65, 0
	std 0,16(1)
	stdu 1,-112(1)
	.cfi_def_cfa_offset 112
	.cfi_offset lr, 16
	.cfi_offset r31, -8
	.cfi_remember_state
	addi 1,1,112
	.cfi_def_cfa_offset 0
	.cfi_restore lr
	.cfi_restore 31
	blr
	.cfi_restore_state
	.cfi_def_cfa 31, 16
	nop
	.cfi_def_cfa_register r1
	.cfi_escape 0x16, 0x3, 1, 0x30
	blr
	.cfi_endproc
g:	.cfi_startproc
	.cfi_undefined lr
	nop
	.cfi_same_value 14
	.cfi_adjust_cfa_offset 16
	.cfi_rel_offset 15, 8
	.cfi_val_offset 16, -8
	.cfi_val_offset 17, 24
	nop
	.cfi_endproc
	.cfi_startproc
	nop
	.cfi_endproc
