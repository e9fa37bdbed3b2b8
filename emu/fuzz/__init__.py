"""Fuzzing: strategies, properties, campaigns, and the naive reference that they compare with."""
