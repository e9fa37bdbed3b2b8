"""What can be wrong with an input. A guest that misbehaves is never one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class EmuError(Exception):
    """Base of everything a user's input can cause; its text is the whole message."""


class ConfigError(EmuError):
    """A machine that cannot be built: an option out of range, or two that contradict."""


class Rendered(Protocol):
    """A diagnostic as this layer sees it. severity: "error" or "warning"."""

    @property
    def severity(self) -> str:
        """`error` or `warning`."""

    def render(self) -> str:
        """Text of several lines."""


class AssemblyError(EmuError):
    """A source text that cannot be assembled.

    diagnostics: everything wrong with it (`emu.asm.Diagnostic`), warnings included, in source
    order; their texts are the message.
    """

    def __init__(self, diagnostics: Sequence[Rendered]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in diagnostics))


class ImageError(EmuError):
    """A program image (ELF, raw) that cannot be read or does not fit the machine."""


class ReplayError(EmuError):
    """A schedule, snapshot or case that cannot be replayed on this machine."""


class TraceError(EmuError):
    """A trace file that is damaged or of another version."""


class MemoryAccessError(EmuError):
    """An address that a tool names lies outside the guest's memory, or is not aligned."""
