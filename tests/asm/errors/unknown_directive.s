# A misspelt directive.
        .alginment 3
        .secton .data
