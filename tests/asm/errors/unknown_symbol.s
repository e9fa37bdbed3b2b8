# A misspelt label.
doorbell_handler:
        b dorbell_handler
