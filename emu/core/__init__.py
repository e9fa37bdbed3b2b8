"""The only door to the C core: machine, threads, memory, snapshots."""
