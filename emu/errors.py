"""What can be wrong with an input. A guest that misbehaves is never one of these."""

from __future__ import annotations


class EmuError(Exception):
    """Base of everything a user's input can cause; its text is the whole message."""


class ConfigError(EmuError):
    """A machine that cannot be built: an option out of range, or two that contradict."""


class AssemblyError(EmuError):
    """A source text that cannot be assembled; carries all its diagnostics (`emu.asm`)."""


class ImageError(EmuError):
    """A program image (ELF, raw) that cannot be read or does not fit the machine."""


class ReplayError(EmuError):
    """A schedule, snapshot or case that cannot be replayed on this machine."""
