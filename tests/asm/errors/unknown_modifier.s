# A misspelt modifier, and one where it has no meaning.
        lis r3, start@hah
        b start@l
start:
