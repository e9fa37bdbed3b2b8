"""Every interleaving: litmus tests, exhaustive search, schedules, refinement, the bug zoo."""
