# Flags and types of sections.
        .section .mine, "aq"
        .section .yours, "a", @progbit
