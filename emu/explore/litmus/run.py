"""A litmus test, from text to outcomes: builds the machine, runs the search, reads the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from emu.core._emu import lib
from emu.core.machine import Machine
from emu.explore.litmus.guest import MEMORY, Guest, build
from emu.explore.litmus.judge_code import compile_condition
from emu.explore.litmus.model import Ghost, GhostKind, Litmus, Location, Observable, Register
from emu.explore.litmus.verdict import Outcome, Result, Violation
from emu.explore.schedule import short_text
from emu.explore.search import Options, Search, Show

if TYPE_CHECKING:
    from collections.abc import Callable

from emu.explore.search import Facts

DEFAULT_HOST = "power9"

SF_ME = 1 << 63 | 1 << 12
EE, LE = 1 << 15, 1
ILE = 1 << 25
ALL_ONES = (1 << 64) - 1


def run(
    test: Litmus,
    options: Options,
    host: str = DEFAULT_HOST,
    progress: Callable[[Facts], bool] | None = None,
) -> Result:
    """Search a test on one host.

    Raises LitmusError if it cannot be translated, SearchRefusedError if it cannot be searched.
    """
    started = time.perf_counter()
    guest = build(test)
    search, watched = bare_search(guest, options)
    rules = [p.condition for p in test.prohibitions if not p.hosts or host in p.hosts]
    for rule in rules:
        search.never(compile_condition(guest, rule, watched))
    ended = search.run(progress)
    shown = set(test.shown)
    outcomes: dict[tuple[object, ...], Outcome] = {}
    for found in ended.outcomes:
        values = zip(watched, found.values, strict=True)
        state = {o: guest.value(o, raw) for o, raw in values if o in shown}
        key = tuple(state.values())
        known = outcomes.get(key)
        outcomes[key] = Outcome(
            state,
            found.times + (known.count if known else 0),
            known.schedule if known else short_text(found.schedule),
        )
    violations = [
        Violation(
            "never", f"{rules[w.rule]} is never true, and was reached", short_text(w.schedule)
        )
        for w in ended.violations
    ]
    return Result(
        test=test,
        host=host,
        outcomes=list(outcomes.values()),
        violations=violations,
        states=ended.facts.states,
        transitions=ended.facts.steps,
        executions=ended.facts.runs or ended.facts.ends,
        cut=ended.cut,
        seconds=time.perf_counter() - started,
    )


def bare_search(guest: Guest, options: Options) -> tuple[Search, list[Observable]]:
    """A search without a hypervisor: every thread holds its vcpu for ever.

    Also what it looks at: what the test shows, and what its prohibitions name besides.
    """
    count = len(guest.entries)
    smt = guest.smt
    nthreads = count + -count % smt
    machine = Machine(generation=8, nvcpus=count, nthreads=nthreads, host_words=1 + count)
    machine.new_memory(0, MEMORY)
    load(machine, guest)
    for number, thread in enumerate(machine.thread):
        thread.vcpu = number + 1 if number < count else 0
        thread.tir = number % smt
        thread.subproc = number - number % smt
        thread.hfscr = ALL_ONES
        thread.lpcr = ILE if guest.little else 0
        machine.subproc[number].nthreads = smt
    host = machine.area("host")
    search = Search(machine, options, outbox=host, taken=host + 1)
    search.code(guest.analysis)
    for index in range(count):
        first = index - index % smt
        search.pending(index, machine.ref("subproc", first, "dpdes"), 1 << index - first)
        search.pending(index, host, 1 << index)
    watched = guest.test.watched
    search.show([_show(machine, guest, o, host + 1) for o in watched])
    return search, watched


def load(machine: Machine, guest: Guest) -> None:
    """Put code, data and registers where the guest says."""
    for address, word in guest.words.items():
        machine.write(0, address, word.to_bytes(4, guest.order))
    for address, data in guest.memory.items():
        machine.write(0, address, data)
    for index, vcpu in enumerate(machine.vcpu):
        vcpu.gpr[:] = memoryview(bytearray(8 * 32)).cast("Q")
        for register, value in enumerate(guest.gpr[index]):
            if value:
                vcpu.gpr[register] = value
        vcpu.nia = guest.entries[index]
        vcpu.lr = guest.ends[index]
        vcpu.msr = SF_ME | (EE if guest.ee[index] else 0) | (LE if guest.little else 0)
        if guest.sprg0:
            vcpu.sprg0 = guest.sprg0[index]


_SPECIAL = {"cr": "cr", "lr": "lr", "ctr": "ctr", "xer": "xer", "msr": "msr"}


def _show(machine: Machine, guest: Guest, observable: Observable, taken: int) -> Show:
    match observable:
        case Register():
            place = guest.renamed.get(observable, observable)
            if place.name in _SPECIAL:
                return Show(lib.EMU_SHOW_WORD, machine.ref("vcpu", place.thread, place.name))
            first = machine.ref("vcpu", place.thread, "gpr")
            return Show(lib.EMU_SHOW_WORD, first + int(place.name[1:]))
        case Location(name=name):
            nbytes = guest.types[observable].nbytes
            return Show(
                lib.EMU_SHOW_MEMORY, guest.addresses[name], nbytes=nbytes, little=guest.little
            )
        case Ghost(kind=GhostKind.TAKEN, thread=thread):
            return Show(lib.EMU_SHOW_WORD, taken + thread)
        case Ghost(kind=GhostKind.PEND, thread=thread):
            return Show(lib.EMU_SHOW_ANY, thread)
        case Ghost(thread=thread):
            return Show(lib.EMU_SHOW_WORD, taken, mask=0)  # without a hypervisor nobody waits
