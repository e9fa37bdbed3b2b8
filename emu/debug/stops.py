"""Breakpoints, watchpoints and catchpoints, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from emu.debug.expression import Expression

CatchKind = Literal["instruction", "interrupt", "hcall", "exit", "event", "step"]
StopKind = Literal[
    "step", "breakpoint", "watch", "catch", "end", "begin", "interrupted", "goto", "waits"
]
AT_THE_BEGINNING: Final = "the beginning of history"


@dataclass(slots=True)
class Point:
    """What all points share. vcpu: only this one stops; None = any. ignore: hits still to pass.

    commands: lines for the command interpreter to run at each stop.
    """

    number: int
    text: str
    vcpu: int | None = None
    condition: Expression | None = None
    condition_text: str = ""
    ignore: int = 0
    hits: int = 0
    enabled: bool = True
    temporary: bool = False
    commands: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Breakpoint(Point):
    """Stops in front of the instruction at an address of a VM."""

    vm: int = 0
    address: int = 0


@dataclass(slots=True)
class Watchpoint(Point):
    """Stops after the step that changes an expression's value."""

    expression: Expression | None = None
    scope: int = 0  # the vcpu whose registers plain names mean
    value: int = 0


@dataclass(slots=True)
class Accesspoint(Point):
    """Stops in front of an instruction that reads or writes some bytes of a VM's memory."""

    vm: int = 0
    address: int = 0
    nbytes: int = 8
    loads: bool = False
    stores: bool = True


@dataclass(slots=True)
class Catchpoint(Point):
    """Stops for something that happens.

    instruction: in front of it, words are (mask, match). interrupt: vectors. hcall: numbers.
    exit: reasons. event: numbers. step: any host operation; with `operation`, in front of one that
    has this in it as it is written.
    """

    kind: CatchKind = "step"
    numbers: tuple[int, ...] = ()
    words: tuple[tuple[int, int], ...] = ()
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the session has come to rest, and why. text: sentences for people, one a line."""

    kind: StopKind
    text: str = ""
    vcpu: int | None = None
    points: tuple[Point, ...] = ()
