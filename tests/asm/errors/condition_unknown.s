# A condition is decided where it stands.
        .if later > 3
        nop
        .endif
        .set later, 5
