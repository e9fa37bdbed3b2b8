"""What the zoo knows about one bug."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emu.hv.edit import Edit

POWER7, POWER8, POWER9 = "power7", "power8", "power9"
NATIVE: Final = (POWER7, POWER8)  # vcores, and H_CEDE in real mode
DOORBELLS: Final = (POWER8, POWER9)
EVERY_HOST: Final = (POWER7, POWER8, POWER9)


class Evidence(enum.Enum):
    """How much of what an entry says about the real bug has been verified."""

    COMMIT = "C", "the commit message was read"
    SOURCE = "S", "the kernel's or QEMU's source was read: the bug, or what prevents it"
    REMEMBERED = "R", "title or hash from memory, not verified"
    INFERRED = "I", "concluded from the design or the source; no report of it was seen"

    def __init__(self, tag: str, meaning: str) -> None:
        self.tag = tag
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a bug is known from. title: of the fix; commit: its hash, empty if there is none."""

    title: str
    commit: str
    year: int
    evidence: tuple[Evidence, ...]

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.commit, str(self.year))))
        return f"{self.title} ({where}) [{', '.join(e.tag for e in self.evidence)}]"


@dataclass(frozen=True, slots=True)
class Kill:
    """A litmus test that fails on a host if the bug is on."""

    test: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One entry of the zoo.

    name: as `--bug` takes it. title: what goes wrong, in a few words. mechanism: how, and what a
    guest notices. hosts: the generations on which it can be. policy: what KVM must be like, as
    fields of `hv.policy.Policy`. edits: of host code, each one step. killed_by: tests that find
    it, the quickest first.
    """

    name: str
    title: str
    upstream: Upstream
    mechanism: str
    hosts: tuple[str, ...]
    edits: tuple[Edit, ...]
    killed_by: tuple[Kill, ...]
    policy: Mapping[str, str] = field(default_factory=dict)

    @property
    def diff(self) -> str:
        """What it changes in the host code."""
        return "\n".join(edit.diff() for edit in self.edits)
