	.cfi_startproc
	.cfi_def_cfa r1
	.cfi_def_cfa r1,
	.cfi_offset r1,-3
	.cfi_offset foo,-8
	.cfi_offset ,-8
	.cfi_offset 70000,-8
	.cfi_offset lr,99999999999
	.cfi_restore
	.cfi_restore_state
	.cfi_escape 1,2,zz
	.cfi_unknown
	.cfi_lsda 0x99,1
	.cfi_lsda 0x1b
	.cfi_startproc
	.cfi_sections .eh_frame
	.cfi_sections foo
	.data
	.cfi_endproc
	.cfi_startproc
