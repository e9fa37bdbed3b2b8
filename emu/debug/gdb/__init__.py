"""gdb's remote protocol: packets (bytes), stub (what they mean for a session), serve (streams)."""
