# A misspelt mnemonic.
        msgsnpd r3
