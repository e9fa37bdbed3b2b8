"""The debugger: a run that can be at any of its positions, and what is shown of it."""
