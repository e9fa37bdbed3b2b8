# The names and numbers of registers, and offsets on either side.
	.cfi_startproc
	.cfi_undefined r0, r31, %r3, r.3, sp, 1 + 2
	.cfi_undefined f0, f31, v0, v31, cr0, cr7, cr
	.cfi_undefined lr, ctr, xer, vrsave, vscr, mq, ap, spe_acc, spefscr
	.cfi_undefined 1000
	nop
	.cfi_def_cfa_offset -16
	.cfi_offset 5, 16
	.cfi_offset lr, -16
	.cfi_def_cfa 5, -16
	.cfi_def_cfa r5, 17
	.cfi_restore f31, lr, r0
	.cfi_register lr, f2
	.cfi_window_save
	nop
	.cfi_endproc
