# A comment without an end.
        nop /* this goes
        on and on
