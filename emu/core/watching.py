"""What a run step by step is to stop for; the only door to csrc/watch.abi.h."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from emu.core._emu import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emu.core.engine import Engine, StepKind
    from emu.core.machine import Machine

EVERY_VCPU = (1 << 64) - 1
MAX_BYTES: int = lib.EMU_WATCHED_BYTES
VECTOR_STEP = 0x20


class StoppedBy(IntEnum):
    """What made a run under watch pause; see `emu_stopped_by`."""

    NOTHING = lib.EMU_STOPPED_BY_NOTHING
    WATCH = lib.EMU_STOPPED_BY_WATCH
    WORD = lib.EMU_STOPPED_BY_WORD
    EVENT = lib.EMU_STOPPED_BY_EVENT
    EXIT = lib.EMU_STOPPED_BY_EXIT
    VECTOR = lib.EMU_STOPPED_BY_VECTOR
    KIND = lib.EMU_STOPPED_BY_KIND
    READY = lib.EMU_STOPPED_BY_READY


class Watched(NamedTuple):
    """Some bytes of a VM's memory (1 to 8), or a state word (vm is None, at is its ref)."""

    vm: int | None
    at: int
    nbytes: int = 8


class Watching:
    """A set of reasons to stop. Only what is named stops; nothing named never does.

    words: (mask, match) of instructions to stop in front of. events: numbers that host code
    traces. exits: reasons why a guest is left. vectors: interrupts taken by a guest. kinds: of
    steps, if `owner` is given those of this vcpu's task and guest. vcpus: whose instructions,
    events, exits and interrupts; None = everybody's. ready: a vcpu that does an instruction,
    takes an interrupt or leaves the guest, and whose guest is then about to go on; after it has
    passed so often.
    """

    def __init__(
        self,
        *,
        watched: Sequence[Watched] = (),
        words: Sequence[tuple[int, int]] = (),
        events: Iterable[int] = (),
        exits: Iterable[int] = (),
        vectors: Iterable[int] = (),
        kinds: Iterable[StepKind] = (),
        owner: int | None = None,
        vcpus: Iterable[int] | None = None,
        ready: int | None = None,
        passes: int = 0,
    ) -> None:
        self._watches = ffi.new(
            "emu_watch[]",
            [
                {"vm": 0 if vm is None else 1 + vm, "at": at, "nbytes": nbytes, "value": 0}
                for vm, at, nbytes in watched
            ],
        )
        self._words = ffi.new(
            "emu_catch_word[]", [{"mask": mask, "match": match} for mask, match in words]
        )
        self.vectors = frozenset(vectors)
        self.kinds = frozenset(kinds)
        vector_bits = _bits(vector // VECTOR_STEP for vector in self.vectors)
        self.handle = ffi.new(
            "emu_debug *",
            {
                "nwatches": len(watched),
                "nwords": len(words),
                "watches": self._watches,
                "words": self._words,
                "vcpus": EVERY_VCPU if vcpus is None else _bits(min(v, 63) for v in vcpus),
                "events": _bits(events),
                "exits": _bits(exits),
                "vectors": [vector_bits & EVERY_VCPU, vector_bits >> 64],
                "kinds": _bits(self.kinds),
                "owner": 0 if owner is None else 1 + owner,
                "ready": 0 if ready is None else 1 + ready,
                "passes": passes,
            },
        )

    def look(self, engine: Engine, machine: Machine, *, first: bool = False) -> None:
        """Note what the watched values are now.

        first: the instruction that comes first counts for `words` too.
        """
        lib.emu_debug_look(engine.handle, machine.handle, self.handle)
        self.handle.first = first

    def go_on(self) -> None:
        """Say that the next run continues one that stopped halfway, for host code to be learned."""
        self.handle.first = True

    def stop(self, by: StoppedBy, which: int) -> None:
        """Say that the step just done stops, when somebody else has seen it."""
        self.handle.stopped_by, self.handle.which = by, which

    @property
    def passes(self) -> int:
        """How often `ready` still passes before it stops."""
        return int(self.handle.passes)

    @property
    def stopped_by(self) -> StoppedBy:
        """Why the last run paused, as far as it was for one of these reasons."""
        return StoppedBy(self.handle.stopped_by)

    @property
    def which(self) -> int:
        """Which one: place in `watched` or `words`, or number of the event, exit, vector, kind."""
        return int(self.handle.which)


def _bits(numbers: Iterable[int]) -> int:
    value = 0
    for number in numbers:
        value |= 1 << number
    return value
