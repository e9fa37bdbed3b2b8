"""The debugger: one session model, for scripts, the REPL and gdb alike.

from emu.debug import Session

session = Session(host, program)
session.begin()
session.stepi()
session.reverse_stepi()
"""

from __future__ import annotations

from emu.debug.session import Session
from emu.debug.stops import Breakpoint, Catchpoint, Stop, Watchpoint

__all__ = ["Breakpoint", "Catchpoint", "Session", "Stop", "Watchpoint"]
