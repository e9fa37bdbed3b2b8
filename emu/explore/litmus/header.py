"""The `Key=Value` lines at the top of a litmus test: which keys mean something, and slips in them.

herd takes any key and heeds few. So a key that is neither ours nor known from herd's tests is only
pointed out, unless it is nearly one of ours: then the test would silently not be what was meant.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

from emu.explore.litmus.problems import Problem

KEYS: Final = (
    "Hosts", "SMT", "EE", "Endian", "Start", "Policy", "Core", "Agent", "Timers", "Limit",
    "Livelock",
)  # fmt: skip
# What herdtools7 writes and reads; nothing of it changes what a test means here.
HERD_KEYS: Final = frozenset({
    "Affinity", "Align", "CacheType", "Com", "Cycle", "El0", "Generator", "Hash", "MemoryType",
    "Name", "Orig", "Prefetch", "Relax", "Safe", "Stable", "TTHM", "Variant",
})  # fmt: skip
NEARLY: Final = 0.8  # as difflib measures likeness: `Limits` and `Limit` have 0.91


def slip(key: str) -> str | None:
    """The key of ours that another one was meant to be; None: it is no slip of the pen."""
    if key in KEYS or key in HERD_KEYS:
        return None
    lower = {known.lower(): known for known in KEYS}
    word = key[:40].lower()
    swapped = [known for known in lower if sorted(known) == sorted(word)]
    near = swapped or difflib.get_close_matches(word, lower, n=1, cutoff=NEARLY)
    return lower[near[0]] if near else None


def unknown(key: str) -> bool:
    """Whether a key means nothing to anybody."""
    return key not in KEYS and key not in HERD_KEYS


def header_problem(text: str, key: str, message: str) -> Problem:
    """A mistake in the last line of the header that has a key, or of the whole test if none has."""
    opening = text.find("{")
    lines = re.compile(rf"^[ \t]*({re.escape(key)})[ \t]*=", re.MULTILINE)
    found = list(lines.finditer(text, 0, len(text) if opening < 0 else opening))
    if not found:
        return Problem(message, 0, 0)
    return Problem(message, found[-1].start(1), found[-1].end(1))
