# A string without an end.
        .asciz "never closed
