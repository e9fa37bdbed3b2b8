# Tabs before the mistake: the caret stands under it.
	addi	r3,	r4,	70000	# too large
