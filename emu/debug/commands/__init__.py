"""The debugger's commands: one table, for the REPL, for gdb's `monitor`, and for the manual.

Each module enters its own; `help` lists them in this order.
"""

from __future__ import annotations

from emu.debug.commands import going, who_moves, stopping, time_travel, looking, changing, sessions  # isort: skip
from emu.debug.commands.interpreter import Interpreter, completions
from emu.debug.commands.table import COMMANDS, CommandError, find

GROUPS = (going, who_moves, stopping, time_travel, looking, changing, sessions)

__all__ = ["COMMANDS", "GROUPS", "CommandError", "Interpreter", "completions", "find"]
