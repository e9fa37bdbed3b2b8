# Which frames share a common entry: those that begin with all of its steps, and have its kind.
	.cfi_startproc
	.cfi_undefined lr
	nop
	.cfi_endproc
	.cfi_startproc
	.cfi_undefined lr
	.cfi_undefined ctr, cr
	nop
	.cfi_endproc
	.cfi_startproc
	nop
	.cfi_endproc
	.cfi_startproc simple
	.cfi_return_column 0
	nop
	.cfi_endproc
	.cfi_startproc
	.cfi_signal_frame
	nop
	.cfi_endproc
	.section .other,"ax"
	.cfi_startproc
	.cfi_undefined lr
	nop
	.cfi_endproc
	.text
	.cfi_startproc
	.cfi_personality 0x9b, routine
	.cfi_lsda 0x1b, data
	nop
	.cfi_endproc
	.cfi_startproc
	.cfi_personality 0x9b, routine
	.cfi_lsda 0x1b, data
	.cfi_offset r30, -16
	nop
	.cfi_endproc
	.cfi_startproc
	.cfi_personality 0x4, data
	.cfi_lsda 0x3, data
	nop
	.cfi_endproc
	.data
data:	.long 1
