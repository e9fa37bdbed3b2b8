# Steps that are far apart, or a distance apart that later lines decide; and nothing in between.
	.cfi_startproc
	.cfi_remember_state
	.cfi_restore_state
	nop
	.cfi_offset 4,-8
	.space 0xfc
	.cfi_offset 4,-16
	.space 0x100
	.cfi_offset 4,-24
	.space 0x3fc
	.cfi_offset 4,-32
	.space 0x400
	.cfi_offset 4,-40
	.space 0x40000
	.cfi_offset 4,-48
	.space 300000
	.cfi_offset 4,-56
	.cfi_endproc
	.section .later,"ax"
	.cfi_startproc
	.space 4 * (end - start)
	.cfi_offset 4,-8
	.p2align 4
	.cfi_offset 4,-16
start:	nop
	nop
end:	.cfi_endproc
	.cfi_startproc
	nop
	.cfi_endproc
