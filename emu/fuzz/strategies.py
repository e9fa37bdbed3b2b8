"""Hypothesis draws the programs: a strategy for them, and seeded runs of its generate phase.

Nothing that is stored depends on Hypothesis: a program is plain data once it is drawn. Every choice
is one of fewer than a hundred, drawn evenly, so that what weighs more stands in a table more often.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from emu.fuzz.programs import (
    DEVICES,
    FAMILIES,
    MAX_OPS,
    OPERATIONS,
    POLICIES,
    STOPPERS,
    WHOLE_VM,
    Op,
    Program,
    numbers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from emu.fuzz.programs import Bounds

_T = TypeVar("_T")

BACKEND: Final = "emu"
MAX_CHOICES: Final = 99  # of one draw: Hypothesis takes larger ranges for what is not so even
POLICY: Final = st.sampled_from(("", "", "", "", *POLICIES))
FOREIGN: Final = {"power8": "from-power9", "power9": "from-power8"}  # where a VM may come from
# How often something is so.
HALF: Final = st.sampled_from((False, True))
FIFTH: Final = st.sampled_from((False, False, False, False, True))
TENTH: Final = st.sampled_from((*[False] * 9, True))
CORE: Final = st.sampled_from((*[0] * 14, 1))
DEVICE: Final = st.sampled_from((*DEVICES, "preempt"))
# How many families of operations a program is about; 0: all.
ABOUT: Final = st.sampled_from((0, 0, 0, 1, 2, 2, 3, 3))
THREADS: Final = st.sampled_from((*[2] * 25, *[3] * 8, 4, 4, 1, 1, 5, 6, 7, 8))
# Operations of a thread, by how many threads there are: the more, the fewer.
LENGTHS: Final = {
    1: dict.fromkeys(range(1, MAX_OPS + 1), 1),
    2: {0: 9, 1: 28, 2: 26, 3: 14, 4: 8, 5: 4, 6: 3, 7: 3, 8: 2, 9: 1, 10: 1},
    3: {0: 2, 1: 18, 2: 10, 3: 4, 4: 1},
    4: {0: 2, 1: 18, 2: 6, 3: 1},
    5: {0: 1, 1: 7, 2: 1},
}


class Plain(HypothesisProvider):
    """Hypothesis's own choices, without the constants that it finds in whatever is loaded.

    Those make what is drawn depend on which modules a process has, and leave a cache behind in
    the working directory.
    """

    def _maybe_draw_constant(self, *_args: object, **_keywords: object) -> None:
        """No constant, ever."""


AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.{Plain.__qualname__}"


@cache
def _weighted(weights: tuple[tuple[_T, int], ...]) -> SearchStrategy[_T]:
    return st.sampled_from([value for value, weight in weights for _ in range(weight)])


def weighted(weights: Mapping[_T, int]) -> SearchStrategy[_T]:
    """One of the keys, as often as its weight says; the weights sum to MAX_CHOICES at most."""
    assert sum(weights.values()) <= MAX_CHOICES
    return _weighted(tuple(weights.items()))


@cache
def _one_of(values: tuple[int, ...]) -> SearchStrategy[int]:
    return st.sampled_from(values)


@cache
def _stoppers(host: str) -> SearchStrategy[str]:
    """What may stop vcpus of a host."""
    names = [name for name in STOPPERS if name not in FOREIGN.values()]
    # Where doorbells are the hypervisor's, userspace has a part in them; elsewhere cores wait.
    often = "sync" if host == "power9" else "stop"
    return st.sampled_from((*names, often, FOREIGN.get(host, "migrate")))


@cache
def _families(host: str) -> SearchStrategy[tuple[str, ...]]:
    """One of the families, with those of its operations that a host has."""
    known = (tuple(n for n in names if _is_known(n, host)) for names in FAMILIES)
    return st.sampled_from([names for names in known if names])


def _is_known(name: str, host: str) -> bool:
    return host != "power7" or not OPERATIONS[name].native


@cache
def _operations(names: frozenset[str]) -> SearchStrategy[str]:
    """One of some operations, by their weights."""
    return weighted({row.name: row.weight for row in OPERATIONS.values() if row.name in names})


@cache
def programs(host: str, bounds: Bounds) -> SearchStrategy[Program]:
    """Programs for a host: small ones are likely, large ones happen."""
    return _programs(host, bounds)


@st.composite
def _programs(draw: DrawFn, host: str, bounds: Bounds) -> Program:
    smt = bounds.smt or draw(weighted({1: 1, 2: 10, 4: 4, **({} if host == "power7" else {8: 1})}))
    count = bounds.threads or draw(THREADS)
    families = [name for _ in range(draw(ABOUT)) for name in draw(_families(host))]
    known = families or [name for name in OPERATIONS if _is_known(name, host)]
    names = _operations(frozenset(known))
    lengths = weighted(LENGTHS[min(count, max(LENGTHS))])

    def operation() -> Op:
        name = draw(names)
        values = numbers(name, smt, count, host)
        if len(values) <= MAX_CHOICES:
            return Op(name, draw(_one_of(values)))
        rows = tuple(range(0, len(values), MAX_CHOICES))
        row = draw(_one_of(rows))
        return Op(name, draw(_one_of(values[row : row + MAX_CHOICES])))

    def agents() -> Iterator[str]:
        """One that stops vcpus, a device, or both where the host has room for both."""
        stops, device = draw(FIFTH), draw(TENTH)
        if stops:
            name = draw(_stoppers(host))
            yield name if name in WHOLE_VM else f"{name}:{draw(_one_of(tuple(range(count))))}"
        if device and (host == "power9" or not stops):
            yield f"{draw(DEVICE)}:{draw(_one_of(tuple(range(count))))}"

    def flag(chance: SearchStrategy[bool]) -> bool:
        return host != "power7" and draw(chance)

    return Program(
        tuple(tuple(operation() for _ in range(draw(lengths))) for _ in range(count)),
        smt,
        tuple(draw(HALF) for _ in range(count)),
        little=draw(FIFTH) if bounds.little is None else bounds.little,
        handler_clears=flag(TENTH),
        handler_sends=flag(TENTH),
        handler_nests=flag(TENTH),
        agents=tuple(agents()),
        policy=draw(POLICY) if host != "power9" else "",
        core=draw(CORE),
    )


def drawn(host: str, bounds: Bounds, seed: int, count: int) -> Iterator[Program]:
    """Draw programs, the same ones whenever the arguments and Hypothesis's version are the same.

    A few of them may be equal. seed: any integer. Programs come all at once, so count is a batch.
    """
    while count > 0:
        batch = _generated(programs(host, bounds), seed, count)
        yield from batch
        count -= len(batch)  # a strategy of few programs ends before it has drawn as many as asked
        seed += 1


def _generated(strategy: SearchStrategy[_T], seed: int, count: int) -> list[_T]:
    """At most count values, drawn by Hypothesis's generate phase; no database, no file."""
    found: list[_T] = []

    # Hypothesis begins with the simplest value there is, whatever the seed: it is left out.
    @hypothesis.seed(seed)
    @settings(
        max_examples=count + 1,
        phases=[Phase.generate],
        backend=BACKEND,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(value: _T) -> None:
        found.append(value)

    collect()
    return found[1:] or found
