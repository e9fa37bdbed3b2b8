"""A naive reference for the user instructions: the book's RTL, written down in Python.

It shares the instruction table with the C core (which word is which instruction) and nothing
else: no code, no tricks, no speed. Where the book leaves a result undefined it does what POWER9
hardware does. It knows nothing of interrupts beyond saying that one would be taken.
"""

from __future__ import annotations

from . import arithmetic, branch, logical, rotate, storage, system  # noqa: F401, rows register
from .model import SEMANTICS, Interrupted, Machine, execute

__all__ = ["SEMANTICS", "Interrupted", "Machine", "execute"]
