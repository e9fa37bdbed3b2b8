"""What changed in KVM over the years, as choices: each is a few steps of host code.

All concern POWER7 and POWER8. The first alternative of each is the later one, and the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# aligned: virtual thread N runs on hardware thread N (2014).
# first-come: the lowest free hardware thread to each vcpu as it becomes runnable (2011).
ThreadAssignment: TypeAlias = Literal["aligned", "first-come"]
THREAD_ASSIGNMENTS: tuple[ThreadAssignment, ...] = ("aligned", "first-come")

# map: a bit for each thread that entered or exits; exiting threads interrupt each other (2015).
# count: two counters; HDEC := 0 pulls threads out, and napping ones are interrupted (2011).
EntryExit: TypeAlias = Literal["map", "count"]
ENTRY_EXITS: tuple[EntryExit, ...] = ("map", "count")

# any: a vcore runs as soon as one of its vcpus can (2012).
# none-busy: only while none of its vcpus is busy in the host (2011).
RunWhen: TypeAlias = Literal["any", "none-busy"]
RUN_WHENS: tuple[RunWhen, ...] = ("any", "none-busy")


@dataclass(frozen=True, slots=True)
class Policy:
    """One choice of each kind."""

    thread_assignment: ThreadAssignment = "aligned"
    entry_exit: EntryExit = "map"
    run_when: RunWhen = "any"
