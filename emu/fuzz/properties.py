"""What must hold of every program that the fuzzer draws, as a table: `--property` names a row.

Each row looks at the outcomes of a search and says which is wrong, and in what words. Knows
programs and outcomes; knows nothing of how either came about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.explore.litmus.model import And, Condition, Equal, Ghost, GhostKind, Register
from emu.explore.livelock import RULE as LIVELOCK
from emu.fuzz.agreement import (
    cedes_for_reasons,
    computes_as_reference,
    happens_again,
    keeps_partitions,
    reaches_architecture,
    reads_what_is_pending,
    refines_power8,
    with_read,
    within_architecture,
)
from emu.fuzz.lowering import UNREAD, result_register
from emu.fuzz.programs import PASSING, PROBLEM_STATE, SENDS, SPINS, Op, Program, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from emu.explore.litmus.model import Observable, Value
    from emu.explore.litmus.verdict import Violation
    from emu.fuzz.agreement import Trial

    State = Mapping[Observable, Value]
    Breach = tuple[str, Condition]


@dataclass(frozen=True, slots=True)
class Property:
    """One property. rules: of the explorer's own that it stands for. check: of an end state.

    judge: of a whole search. plainer: a program, and a host to run it on, whose end states are all
    that the program's own may be, as far as both show the same things; None if the property says
    nothing of it. shown_by: the program that shows a breach, if it is not the one that was judged.
    share: where properties are not chosen by name, one program in so many is asked,
    since it takes a search as large as the program's own, or larger.
    """

    name: str
    sentence: str
    page: str
    rules: tuple[str, ...] = ()
    check: Callable[[Program, str, State], Breach | None] | None = None
    judge: Callable[[Trial], Violation | None] | None = None
    plainer: Callable[[Program, str], tuple[Program, str] | None] | None = None
    shown_by: Callable[[Program], Program | None] | None = None
    share: int = 1


def _ghost(state: State, kind: GhostKind, thread: int) -> int:
    value = state[Ghost(kind, thread)]
    assert isinstance(value, int)
    return value


def _equals(state: State, places: Iterable[Observable]) -> Condition:
    """The condition that these observables are what they are in a state."""
    parts: tuple[Condition, ...] = tuple(Equal(place, state[place]) for place in places)
    return parts[0] if len(parts) == 1 else And(parts)


def _doorbell(state: State, thread: int) -> Condition:
    return _equals(state, (Ghost(GhostKind.TAKEN, thread), Ghost(GhostKind.PEND, thread)))


def _certain(program: Program) -> set[int]:
    """Threads that are sent a doorbell in every run, and that never clear one."""
    found = set()
    stopped = program.stopped()
    for thread, ops in enumerate(program.threads):
        if thread in stopped:
            continue
        for op in ops:
            if op.name in ("cede", *SPINS):
                break  # what follows may never come
            target = program.target(thread, op)
            if target is not None:
                found.add(target)
    cleared = {thread for thread, _, op in program.operations() if op.name == "clear"}
    return set() if program.handler_clears else found - cleared


def _kept(program: Program, _host: str, state: State) -> Breach | None:
    for thread in sorted(_certain(program)):
        if not _ghost(state, GhostKind.TAKEN, thread) and not _ghost(state, GhostKind.PEND, thread):
            sentence = f"thread {thread} was sent a doorbell, took none and has none pending"
            return sentence, _doorbell(state, thread)
    return None


def _sends(program: Program) -> dict[int, int]:
    """How often each thread is sent a doorbell, at most."""
    sends = dict.fromkeys(range(len(program.threads)), 0)
    for thread, _, op in program.operations():
        target = program.target(thread, op)
        if target is not None:
            sends[target] += 1
    if program.handler_sends:
        for thread in range(len(program.threads)):
            target = program.answered(thread)
            if target is not None:
                sends[target] += 1
    return sends


def _not_spurious(program: Program, _host: str, state: State) -> Breach | None:
    for thread, sent in _sends(program).items():
        taken, pending = (_ghost(state, k, thread) for k in (GhostKind.TAKEN, GhostKind.PEND))
        if taken + pending > sent:
            sentence = (
                f"thread {thread} was sent {sent} doorbells, took {taken} and has {pending} pending"
            )
            return sentence, _doorbell(state, thread)
    return None


def _visible(program: Program, host: str, thread: int) -> int:
    """Bits of DPDES that may be set in the virtual core of a thread."""
    allowed = 0
    for sender, _, op in program.operations():
        same = sender // program.smt == thread // program.smt
        # Hardware has a bit for every thread of the subcore, whether a vcpu runs there or not.
        sends = op.name in SENDS and host == "power8"
        if same and (sends or program.target(sender, op) is not None):
            allowed |= 1 << op.number
    if program.handler_sends:
        allowed |= (1 << program.smt) - 1
    return allowed


def _dpdes(program: Program, host: str, state: State) -> Breach | None:
    for thread, place, op in program.operations():
        if op.name != "dpdes":
            continue
        allowed = _visible(program, host, thread)
        register = Register(thread, result_register(place))
        value = state[register]
        if not isinstance(value, int) or value & ~allowed:
            sentence = f"thread {thread} reads DPDES {value}; only {allowed:#x} was ever sent"
            return sentence, _equals(state, (register,))
    return None


def _tir(program: Program, _host: str, state: State) -> Breach | None:
    for thread, place, op in program.operations():
        register = Register(thread, result_register(place))
        if op.name == "tir" and state[register] not in (thread % program.smt, UNREAD):
            sentence = f"thread {thread} reads TIR {state[register]}, and SMT is {program.smt}"
            return sentence, _equals(state, (register,))
    return None


def _without_bad(program: Program, host: str) -> tuple[Program, str] | None:
    bad = ("bad_type", "bad_tag", "bad_clear")
    return (without(program, *bad), host) if program.has(*bad) else None


def _without_reads(program: Program, host: str) -> tuple[Program, str] | None:
    reads = ("dpdes", "tir")
    return (without(program, *reads), host) if program.has(*reads) else None


def _in_privileged_state(program: Program, host: str) -> tuple[Program, str] | None:
    """The program with MSR[EE] switched on where it would go to problem state."""
    if not program.has(*PROBLEM_STATE):
        return None
    threads = tuple(
        tuple(Op("ee", 1) if op.name in PROBLEM_STATE else op for op in ops)
        for ops in program.threads
    )
    return replace(program, threads=threads), host


def _undisturbed(program: Program, host: str) -> tuple[Program, str] | None:
    sampled = ("dpdes",) if host == "power9" else ("dpdes", "cede")
    kept = tuple(agent for agent in program.agents if not agent.startswith(PASSING))
    if kept == program.agents or program.has(*sampled):
        return None
    return replace(program, agents=kept), host


PROPERTIES: Final = {
    row.name: row
    for row in (
        Property(
            "no-lost-wakeup",
            "no vcpu waits in H_CEDE, or with MSR[EE] = 1, for what is pending for it",
            "Looked for in every end state: a ceded vcpu with a doorbell, a prod or an interrupt "
            "pending, wherever the hypervisor or the hardware keeps it.",
            rules=("lost",),
        ),
        Property(
            "liveness",
            "no host thread waits for ever for what is owed to it",
            "Looked for in every end state: host code that waits at a place where somebody must "
            "answer, such as for an IPI, a sibling's exit or a lock. And in every run without an "
            "end: nobody goes round for ever while whoever can step does, but in loops of the "
            "program that in the naive reference may never end either.",
            rules=("deadlock", LIVELOCK),
        ),
        Property(
            "no-lost-doorbell",
            "a doorbell that was sent is taken, cleared by its target, or pending",
            "Of threads that are sent one in every run (the send comes before its sender first "
            "waits for anything) and never clear any: in no end state have they taken none and "
            "have none pending. Events from outside, such as a migration, do not change that.",
            check=_kept,
        ),
        Property(
            "no-spurious-doorbell",
            "no thread takes or has pending more doorbells than it was sent",
            "Sends with a reserved type, to a thread beyond the SMT mode, to an absent vcpu, or "
            "in another virtual core count for nobody: a no-op is exact, and cores are apart.",
            check=_not_spurious,
        ),
        Property(
            "dpdes-of-own-core",
            "DPDES shows no doorbell that nobody sent, and none of another core",
            "Every value that a thread reads from DPDES has only bits of threads of its own "
            "virtual core that are sent a doorbell somewhere in the program. (On POWER8 those "
            "of absent vcpus too: the hardware has a bit for each thread.)",
            check=_dpdes,
        ),
        Property(
            "tir-constant",
            "TIR is the thread's number in its virtual core, always",
            "Every value read from TIR, whatever happened to the vcpu meanwhile.",
            check=_tir,
        ),
        Property(
            "no-op-exact",
            "msgsndp and msgclrp with a reserved type, and msgsndp to a thread number beyond the "
            "SMT mode, do nothing",
            "Every end state is also one of the program with nops in their place. Programs whose "
            "search is cut off are left out.",
            plainer=_without_bad,
            share=2,
        ),
        Property(
            "reading-changes-nothing",
            "to read DPDES or TIR consumes no doorbell and changes nothing else",
            "Every end state, but for what was read, is also one of the program with nops in place "
            "of the reads. Programs whose search is cut off are left out.",
            plainer=_without_reads,
            share=2,
        ),
        Property(
            "pending-can-be-read",
            "a doorbell that is pending can be read from DPDES",
            "Every end state of a program with sends and reads of DPDES, in which somebody who "
            "reads it has come to the end, is one too of the program in which he reads once more, "
            "with exactly what is pending as the result. On POWER9 such a read may miss what comes "
            "and goes meanwhile; it must not miss for ever what stays.",
            judge=reads_what_is_pending,
            shown_by=with_read,
        ),
        Property(
            "events-leave-no-trace",
            "a signal, an interrupt of the host's, a sync of registers, or a save and restore "
            "cannot be told from none",
            "Every end state is also one of the program without such events from outside. Programs "
            "that read DPDES are left out (such an event may make a read stale on POWER9), and on "
            "POWER7 and POWER8 those that cede, since H_CEDE may return for no reason there.",
            plainer=_undisturbed,
            share=2,
        ),
        Property(
            "problem-state",
            "none of the doorbell facility works in problem state",
            "Every end state, but for the program interrupts, is also one of the program with a "
            "switch of MSR[EE] to 1 in place of what it does in problem state. Programs whose "
            "search is cut off are left out.",
            plainer=_in_privileged_state,
        ),
        Property(
            "cede-and-prod",
            "H_CEDE returns with MSR[EE] = 1 and for a reason, and a prod ends exactly one",
            "POWER9, without events that take a vcpu to userspace: every end state is one of the "
            "naive reference, in which H_CEDE returns for a doorbell, a prod that it uses up, or a "
            "device's interrupt, and for nothing else.",
            judge=cedes_for_reasons,
        ),
        Property(
            "within-architecture",
            "no end state is seen that the architecture rules out",
            "Every end state is one of the naive reference, an interpreter of programs in plain "
            "Python that knows neither host code nor instruction words (emu/fuzz/reference/"
            "doorbells.py). It allows what the book leaves open: late messages, reservations that "
            "are lost, an H_CEDE that returns for no reason; and on POWER9 the accepted deviations "
            "of a read of DPDES. Programs of more than 500 states there are left out.",
            judge=within_architecture,
        ),
        Property(
            "reaches-architecture",
            "every end state is possible that every machine must be able to show",
            "With nothing left open, the naive reference has end states that no machine may lack: "
            "messages arrive at once, H_CEDE waits for a reason. A hypervisor that does nothing is "
            "found by this and by nothing else. Left out are programs that set decrementers twice "
            "or stop a vcpu for ever.",
            judge=reaches_architecture,
        ),
        Property(
            "refines-power8",
            "what a guest sees on POWER9 it may see on POWER8",
            "Every end state on POWER9 is one on POWER8 too, but for accepted deviations: reads of "
            "DPDES that miss a doorbell, and what arrives while an instruction is being emulated. "
            "Programs that clear with MSR[EE] = 1 are left out, those that an event from outside "
            "stops, and of those with hcalls the larger ones and those that read DPDES.",
            judge=refines_power8,
            share=8,
        ),
        Property(
            "instructions-as-reference",
            "instructions compute what the book's RTL says, whatever happens between them",
            "Registers of instruction words hold at the end what the naive reference of the user "
            "instructions computes, through traps, interrupts and migrations.",
            judge=computes_as_reference,
        ),
        Property(
            "partition-safety",
            "no guest instruction runs in another partition, and a core is left in order",
            "Not of end states but on the way: two random schedules of each program are taken step "
            "by step, and invariants of the hypervisor (LPIDR, in_guest, who is on which thread, "
            "what H_CEDE and prods promise, registers that are the guest's) are looked at after "
            "each, as `emu run --check` does. The last step of such a case breaks one of them.",
            judge=keeps_partitions,
            share=16,
        ),
        Property(
            "deterministic",
            "the same program is searched the same way twice",
            "A second search, on the same machine made as new, has the same states, steps, end "
            "states and schedules. Searches of more than 5,000 states are not done twice.",
            judge=happens_again,
            share=16,
        ),
    )
}


def chosen(names: Iterable[str]) -> tuple[Property, ...]:
    """The rows of these names, all if there are none. Raises ConfigError."""
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in PROPERTIES:
            known = ", ".join(PROPERTIES)
            raise ConfigError(f"there is no property {name[:40]!r}; properties are {known}")
    return tuple(PROPERTIES[name] for name in wanted or PROPERTIES)
