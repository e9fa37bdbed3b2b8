"""Events, statistics and timelines of a run."""
