"""What must hold at every step of the hypervisor, as code: `Host(check=True)`, `emu run --check`.

Each invariant is a sentence about the state, or about one step. They are grouped by what they look
at, a `Family` a module; `Checker` shows each step to the families that it may concern. A run that
is checked goes one host step at a time, so it is slow; one that is not pays nothing.
"""

from emu.hv.invariants.checker import Checker, Violation

__all__ = ["Checker", "Violation"]
