"""The debugger: one session model, a REPL and a gdb stub above it.

from emu.debug import Session

session = Session(host)
session.stepi()
session.reverse_stepi()
"""
