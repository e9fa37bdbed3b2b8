"""A naive reference for programs of the fuzzer: the architecture, interpreted in plain Python.

Threads take steps in any order, and every order is tried. It shares the program with the machine
and nothing else: no instruction words, no registers' numbers, no host code, no search in C. What
the book and the interface of the hypervisor leave open is a Manner: with none of it the end states
are those that any machine must be able to show, with a host's they are all that it may show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emu.fuzz.programs import Program

MAX_STATES: Final = 500  # of a program that is compared
STORED, STORED_CONDITIONALLY = 1, 2
NOTHING: Final = -1  # no cell is reserved; no result was read


@dataclass(frozen=True, slots=True)
class Manner:
    """What a machine may do, or leave.

    late: a message arrives some time after it was sent, and an interrupt waits until others have
    gone on. spurious: H_CEDE returns for no reason.
    lossy: a reservation may be lost at any time. every_thread: DPDES has a bit for each thread of
    the core, whether there is a vcpu or not. sampled: a read of DPDES looks at one thread after the
    other, and may miss what is pending for another (see emu/explore/deviations.py). trapped:
    operations in which what arrives meanwhile does not interrupt.
    """

    late: bool = False
    spurious: bool = False
    lossy: bool = False
    every_thread: bool = False
    sampled: bool = False
    trapped: frozenset[str] = frozenset()


HCALLS: Final = frozenset({"cede", "prod", "ipi", "accept"})
STRICT: Final = {
    "power7": Manner(),
    "power8": Manner(every_thread=True),
    "power9": Manner(),
}
ALLOWED: Final = {
    "power7": Manner(late=True, spurious=True, lossy=True, trapped=HCALLS),
    "power8": Manner(late=True, spurious=True, lossy=True, every_thread=True, trapped=HCALLS),
    "power9": Manner(
        late=True,
        spurious=True,
        lossy=True,
        sampled=True,
        trapped=HCALLS | {"send", "clear", "dpdes", "tir", "answer"},
    ),
}


class Step(NamedTuple):
    """One instruction that others or interrupts can tell apart. place: of its operation."""

    name: str
    number: int = 0
    place: int = 0


class Frame(NamedTuple):
    """A doorbell handler that runs: its next step."""

    at: int = 0


class Thread(NamedTuple):
    """One thread. at: its next step; begun: it is in the middle of it, not to be interrupted."""

    results: tuple[int, ...]
    at: int = 0
    begun: int = 0
    ee: bool = False
    ceded: bool = False
    taken: int = 0
    traps: int = 0
    answered: bool = False
    interrupted: int = 0  # by a device (once, or more often), or by how many IPIs
    ticks: int = 0  # interrupts of the decrementer
    reserved: int = NOTHING
    stopped: bool = False  # for ever, from outside
    frames: tuple[Frame, ...] = ()


class State(NamedTuple):
    """Everything. pending to accepting: a bit for each thread. passes: of time, to come."""

    threads: tuple[Thread, ...]
    memory: tuple[int, ...]
    pending: int = 0  # doorbells that have arrived
    sent: int = 0  # and those on their way
    prodded: int = 0
    asserted: int = 0  # lines of devices
    devices: int = 0  # that have not asserted theirs yet
    armed: int = 0  # decrementers that will run out
    due: int = 0  # and those that have
    requested: int = 0  # IPIs of the interrupt controller: asked for, at any time
    ringing: int = 0  # presented, and on their way
    presented: int = 0
    accepting: int = 0
    stopping: int = 0  # threads that something from outside will stop for ever
    passes: int = 1


class End(NamedTuple):
    """An end state, as the guest and its hypervisor see it.

    results: what was read, thread by thread and place by place, NOTHING where nothing was. traps:
    program interrupts.
    """

    results: tuple[tuple[int, ...], ...]
    memory: tuple[int, ...]
    taken: tuple[int, ...]
    pending: tuple[bool, ...]
    ceded: tuple[bool, ...]
    interrupted: tuple[int, ...]
    ticks: tuple[int, ...]
    traps: tuple[int, ...]


def ends(program: Program, manner: Manner, limit: int = MAX_STATES) -> frozenset[End] | None:
    """Every end state of a program; None if there are more states on the way than the limit."""
    return _explored(program, manner, limit)[0]


def goes_round(program: Program, manner: Manner) -> bool:
    """Whether a thread may wait in a loop for ever; so it is if there are too many states."""
    return _explored(program, manner, MAX_STATES)[1]


@lru_cache(maxsize=8)  # the same program is asked about in a row
def _explored(program: Program, manner: Manner, limit: int) -> tuple[frozenset[End] | None, bool]:
    return _Model(program, manner).explored(limit)


class _Model:
    """The steps of one program."""

    def __init__(self, program: Program, manner: Manner) -> None:
        self.program = program
        self.manner = manner
        self.smt = program.smt
        self.count = len(program.threads)
        self.columns = [list(_column(program, thread)) for thread in range(self.count)]
        self.handler = [Step(name) for name in _handler(program)]

    def explored(self, limit: int) -> tuple[frozenset[End] | None, bool]:
        """Try every order: the end states, and whether somebody waits in a loop for ever."""
        start = self._start()
        goes_round = False
        known = {start}
        todo = [start]
        found = set()
        while todo:
            state = todo.pop()
            over = True
            for following in self._after(state):
                over = False
                if following not in known:
                    known.add(following)
                    todo.append(following)
            if over and self._spins(state):
                goes_round = True
            elif over:
                found.add(self._end(state))
            if self.manner.spurious:
                for thread, now in enumerate(state.threads):
                    if now.ceded and not now.stopped:
                        following = _with(state, thread, now._replace(ceded=False, at=now.at + 1))
                        if following not in known:
                            known.add(following)
                            todo.append(following)
            if len(known) > limit:
                return None, True
        return frozenset(found), goes_round

    def _spins(self, state: State) -> bool:
        """Whether a thread is in a loop of which nothing can let it out any more."""
        return any(
            not (now.ceded or now.stopped) and self._next(thread, now) in ("spin", "spin_taken")
            for thread, now in enumerate(state.threads)
        )

    def _start(self) -> State:
        threads = tuple(
            Thread(results=(NOTHING,) * len(ops), ee=ee)
            for ops, ee in zip(self.program.threads, self.program.ee, strict=True)
        )
        devices = sum(
            1 << int(agent.partition(":")[2])
            for agent in self.program.events()
            if agent.startswith("external:")
        )
        stopping = sum(1 << thread for thread in self.program.stopped())
        return State(threads, memory=(0, 0), devices=devices, stopping=stopping)

    def _end(self, state: State) -> End:
        threads = state.threads
        return End(
            results=tuple(thread.results for thread in threads),
            memory=state.memory,
            taken=tuple(thread.taken for thread in threads),
            pending=tuple(bool(state.pending >> t & 1) for t in range(self.count)),
            ceded=tuple(thread.ceded and not thread.stopped for thread in threads),
            interrupted=tuple(thread.interrupted for thread in threads),
            ticks=tuple(thread.ticks for thread in threads),
            traps=tuple(thread.traps for thread in threads),
        )

    # ---- what can happen next ----

    def _after(self, state: State) -> Iterator[State]:
        """Every state that one step leads to; H_CEDE's returns for no reason are not among them."""
        for thread in _set_bits(state.sent):
            yield from self._arrive(state._replace(sent=state.sent & ~(1 << thread)), thread)
        for thread in _set_bits(state.devices):
            bit = 1 << thread
            after = state._replace(devices=state.devices & ~bit, asserted=state.asserted | bit)
            yield from self._may_have_begun(state, after, thread)
        for thread in _set_bits(state.ringing):
            bit = 1 << thread
            after = state._replace(ringing=state.ringing & ~bit, presented=state.presented | bit)
            yield from self._may_have_begun(state, after, thread)
        for thread in _set_bits(state.stopping):
            now = state.threads[thread]
            if not now.begun:
                rest = state._replace(stopping=state.stopping & ~(1 << thread))
                yield _with(rest, thread, now._replace(stopped=True))
        if state.armed and state.passes:
            yield state._replace(armed=0, due=state.due | state.armed, passes=0)
        interrupted = [t for t, now in enumerate(state.threads) if self._interrupts(state, t, now)]
        for thread in interrupted:
            yield from self._interrupt(state, thread, state.threads[thread])
        if interrupted and not self.manner.late:
            return
        for thread, now in enumerate(state.threads):
            if now.stopped:
                pass
            elif now.ceded:
                yield from self._wake(state, thread, now)
            elif thread in interrupted:
                pass
            elif now.frames:
                yield from self._step(state, thread, now, self.handler[now.frames[-1].at])
            elif now.at < len(self.columns[thread]):
                yield from self._step(state, thread, now, self.columns[thread][now.at])

    @staticmethod
    def _interrupts(state: State, thread: int, now: Thread) -> bool:
        waiting = _waiting(state) >> thread & 1
        free = not now.begun and not now.ceded and not now.stopped
        return bool(now.ee and free and waiting)

    def _arrive(self, state: State, thread: int) -> Iterator[State]:
        """A message comes to where its thread sees it."""
        after = state._replace(pending=state.pending | 1 << thread)
        yield from self._may_have_begun(state, after, thread)

    def _may_have_begun(self, before: State, after: State, thread: int) -> Iterator[State]:
        """An interrupt comes just before the next instruction, or just after it has begun."""
        yield after
        if thread >= self.count:
            return
        now = after.threads[thread]
        quiet = not _waiting(before) >> thread & 1
        free = quiet and not now.begun and not now.stopped
        if now.ee and free and self._next(thread, now) in self.manner.trapped:
            yield _with(after, thread, now._replace(begun=1))

    def _next(self, thread: int, now: Thread) -> str:
        if now.frames:
            return self.handler[now.frames[-1].at].name
        column = self.columns[thread]
        return column[now.at].name if now.at < len(column) else ""

    def _wake(self, state: State, thread: int, now: Thread) -> Iterator[State]:
        """H_CEDE returns; a prod that ends it is used up."""
        awake = now._replace(ceded=False, at=now.at + 1)
        bit = 1 << thread
        if state.prodded & bit:
            yield _with(state._replace(prodded=state.prodded & ~bit), thread, awake)
        if _waiting(state) & bit:
            yield _with(state, thread, awake)

    def _interrupt(self, state: State, thread: int, now: Thread) -> Iterator[State]:
        """Take an interrupt: any that waits, or, where nothing is left open, the first of them."""
        for kind in (self._device, self._ipi, self._decrementer, self._doorbell):
            after = kind(state, thread, now)
            if after is not None:
                yield after
                if not self.manner.late:
                    return

    def _device(self, state: State, thread: int, now: Thread) -> State | None:
        """Its handler returns with MSR[EE] = 0, for the line stays asserted.

        In problem state that cannot be: it returns to privileged state and leaves out what would
        trap.
        """
        if not state.asserted >> thread & 1:
            return None
        back = now._replace(interrupted=1, ee=False)
        outside = _moved_on(back) if self._next(thread, now) == "trap" else back
        return _with(state, thread, outside)

    @staticmethod
    def _ipi(state: State, thread: int, now: Thread) -> State | None:
        """Its handler takes it with H_XIRR, after which no other one is let in."""
        if not state.presented >> thread & 1:
            return None
        mask = ~(1 << thread)
        taken = state._replace(presented=state.presented & mask, accepting=state.accepting & mask)
        return _with(taken, thread, now._replace(interrupted=now.interrupted + 1))

    @staticmethod
    def _decrementer(state: State, thread: int, now: Thread) -> State | None:
        """Its handler sets it to what never comes."""
        if not state.due >> thread & 1:
            return None
        served = state._replace(due=state.due & ~(1 << thread))
        return _with(served, thread, now._replace(ticks=now.ticks + 1))

    @staticmethod
    def _doorbell(state: State, thread: int, now: Thread) -> State | None:
        if not state.pending >> thread & 1:
            return None
        inside = now._replace(ee=False, taken=now.taken + 1, frames=(*now.frames, Frame()))
        return _with(state._replace(pending=state.pending & ~(1 << thread)), thread, inside)

    def _step(self, state: State, thread: int, now: Thread, step: Step) -> Iterator[State]:
        """Execute one step."""
        after = _moved_on(now)
        bit = 1 << thread
        first = thread - thread % self.smt
        match step.name:
            case "send":
                yield from self._send(state, thread, after, first + step.number)
            case "answer":
                if now.answered:
                    yield _with(state, thread, after)
                else:
                    target = first + (thread + 1) % self.smt
                    yield from self._send(state, thread, after._replace(answered=True), target)
            case "clear":
                yield _with(state._replace(pending=state.pending & ~bit), thread, after)
            case "dpdes":
                yield from self._read(state, thread, now, step.place)
            case "ee":
                yield _with(state, thread, after._replace(ee=bool(step.number)))
            case "trap":
                yield _with(state, thread, after._replace(ee=True, traps=now.traps + 1))
            case "open":
                if len(now.frames) > 1:  # not within itself
                    skipped = _moved_on(after)
                    yield _with(state, thread, skipped)
                else:
                    yield _with(state, thread, after._replace(ee=True))
            case "close":
                yield _with(state, thread, after._replace(ee=False))
            case "return":
                yield _with(state, thread, now._replace(ee=True, frames=now.frames[:-1]))
            case "cede":
                if state.prodded & bit:
                    used = state._replace(prodded=state.prodded & ~bit)
                    yield _with(used, thread, after._replace(ee=True))
                else:
                    yield _with(state, thread, now._replace(ee=True, ceded=True, begun=0))
            case "prod":
                prodded = 1 << step.number if step.number < self.count else 0
                yield _with(state._replace(prodded=state.prodded | prodded), thread, after)
            case "timer":
                later = state._replace(armed=state.armed | bit, due=state.due & ~bit)
                yield _with(later, thread, after)
            case "ipi":
                asked = 1 << step.number if step.number < self.count else 0
                wanted = state._replace(requested=state.requested | asked)
                yield _with(self._present(wanted, asked), thread, after)
            case "accept":
                already = state.accepting & bit
                wanted = state._replace(accepting=state.accepting | bit)
                yield _with(self._present(wanted, 0 if already else bit), thread, after)
            case "tir":
                yield _with(state, thread, _read_into(after, step.place, thread % self.smt))
            case "taken":
                yield _with(state, thread, _read_into(after, step.place, now.taken))
            case "spin_taken":
                if now.taken:
                    yield _with(state, thread, after)
            case "spin":
                if state.memory[step.number]:
                    read = _read_into(after, step.place, state.memory[step.number])
                    yield _with(state, thread, read)
            case "load" | "reserve":
                value = state.memory[step.number]
                reserved = step.number if step.name == "reserve" else now.reserved
                read = _read_into(after, step.place, value)
                yield _with(state, thread, read._replace(reserved=reserved))
            case "again":
                old = now.results[step.place]
                value = old or state.memory[step.number]
                yield _with(state, thread, _read_into(after, step.place, value))
            case "store":
                yield _stored(state, thread, after, step.number, STORED)
            case "conditional":
                yield from self._conditional(state, thread, after, step)
            case _:
                yield _with(state, thread, after)

    def _present(self, state: State, bit: int) -> State:
        """Present an IPI to a thread, if there is one and it lets it in."""
        new = bit & state.requested & state.accepting & ~state.presented
        if self.manner.late:
            return state._replace(ringing=state.ringing | new)
        return state._replace(presented=state.presented | new)

    def _send(self, state: State, thread: int, after: Thread, target: int) -> Iterator[State]:
        if target >= self.count and not self.manner.every_thread:
            yield _with(state, thread, after)
        elif self.manner.late:
            yield _with(state._replace(sent=state.sent | 1 << target), thread, after)
        else:
            yield _with(state._replace(pending=state.pending | 1 << target), thread, after)

    def _read(self, state: State, thread: int, now: Thread, place: int) -> Iterator[State]:
        """Read DPDES, at once or one thread after the other."""
        first = thread - thread % self.smt
        image = state.pending >> first & ((1 << self.smt) - 1)
        if not self.manner.sampled:
            yield _with(state, thread, _read_into(_moved_on(now), place, image))
            return
        sample = max(now.begun, 1) - 1
        so_far = max(now.results[place], 0)
        bit = image & 1 << sample
        last = sample == min(self.smt, self.count - first) - 1
        for seen in {bit, 0 if first + sample != thread else bit}:
            read = _read_into(now, place, so_far | seen)
            yield _with(state, thread, _moved_on(read) if last else read._replace(begun=sample + 2))

    def _conditional(self, state: State, thread: int, after: Thread, step: Step) -> Iterator[State]:
        held = after.reserved == step.number
        after = after._replace(reserved=NOTHING)
        if held:
            stored = _read_into(after, step.place, 1)
            yield _stored(state, thread, stored, step.number, STORED_CONDITIONALLY)
        if not held or self.manner.lossy:
            yield _with(state, thread, _read_into(after, step.place, 0))


def _column(program: Program, thread: int) -> Iterator[Step]:
    """The steps of a thread. What computes on its own registers, or does nothing, is one too."""
    for place, (name, number) in enumerate(program.threads[thread]):
        match name:
            case "send" | "send_upper" | "send_payload":
                yield Step("send", number, place)
            case "wait":
                yield Step("load", number, place)
                yield Step("again", number, place)
            case "user_send" | "user_clear" | "user_dpdes" | "user_tir":
                # Into problem state, where MSR[EE] is 1, and back with it by a program interrupt.
                yield Step("ee", 1, place)
                yield Step("trap", 1, place)
            case _:
                yield Step(name, number, place)


def _handler(program: Program) -> Iterator[str]:
    if program.handler_clears:
        yield "clear"
    if program.handler_sends:
        yield "answer"
    if program.handler_nests:
        yield "open"
        yield "close"
    yield "return"


def _waiting(state: State) -> int:
    """A bit for each thread that an interrupt waits for."""
    return state.pending | state.asserted | state.due | state.presented


# ---- states ----------------------------------------------------------------------------------


def _with(state: State, thread: int, now: Thread) -> State:
    threads = (*state.threads[:thread], now, *state.threads[thread + 1 :])
    return state._replace(threads=threads)


def _moved_on(now: Thread) -> Thread:
    if now.frames:
        inside = Frame(now.frames[-1].at + 1)
        return now._replace(begun=0, frames=(*now.frames[:-1], inside))
    return now._replace(begun=0, at=now.at + 1)


def _read_into(now: Thread, place: int, value: int) -> Thread:
    results = (*now.results[:place], value, *now.results[place + 1 :])
    return now._replace(results=results)


def _stored(state: State, thread: int, now: Thread, cell: int, value: int) -> State:
    """A store ends what others have reserved there."""
    threads = tuple(
        other._replace(reserved=NOTHING) if t != thread and other.reserved == cell else other
        for t, other in enumerate(state.threads)
    )
    memory = (*state.memory[:cell], value, *state.memory[cell + 1 :])
    return _with(state._replace(threads=threads, memory=memory), thread, now)


def _set_bits(bits: int) -> Iterator[int]:
    place = 0
    while bits:
        if bits & 1:
            yield place
        bits >>= 1
        place += 1
