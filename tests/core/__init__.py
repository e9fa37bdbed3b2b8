"""Tests of the C core against machines that are not ours and against the naive reference."""
