"""Litmus tests: herd's PPC dialect with doorbells, from text to a guest and back to a verdict."""
