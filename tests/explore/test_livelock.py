"""Runs that go round for ever although whoever can step does, and runs that only seem to."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.explore.case import case_text, parse_case
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.stage import prepare
from emu.explore.livelock import RULE, is_fair
from emu.explore.replay import case_of, replay
from emu.explore.search import Algorithm, Choice, ChoiceKind, Options
from emu.explore.zoo import switched_on

OPTIONS = Options(spurious=True)
HOSTS = ("power7", "power8", "power9")


def columns(*threads, initial="", head="", tail=""):
    height = max(map(len, threads))
    padded = [[*cells, *[""] * (height - len(cells))] for cells in threads]
    rows = "".join(f" {' | '.join(row)} ;\n" for row in zip(*padded, strict=True))
    names = " | ".join(f"P{t}" for t in range(len(threads)))
    return f"PPC T\n{head}{{ {initial} }}\n {names} ;\n{rows}{tail}exists (true)\n"


def livelocks(text, host="power8", options=OPTIONS):
    return [v for v in run(parse(text), options, host).violations if v.rule == RULE]


EACH_WAITS_FOR_THE_OTHER = columns(
    ["l: lwz r3,0(r1)", "cmpwi r3,0", "beq l", "stw r9,0(r2)"],
    ["l: lwz r3,0(r2)", "cmpwi r3,0", "beq l", "stw r9,0(r1)"],
    initial="0:r1=x; 0:r2=y; 0:r9=1; 1:r1=x; 1:r2=y; 1:r9=1;",
)
LOCK = columns(
    *[["l: lwarx r3,0,r1", "cmpwi r3,0", "bne l", "stwcx. r4,0,r1", "bne l", "stw r5,0(r1)"]] * 2,
    initial="0:r1=x; 0:r4=1; 0:r5=0; 1:r1=x; 1:r4=1; 1:r5=0;",
)
# Both say that they want in, see that the other does as well, and step back: in step, for ever.
AFTER_YOU = columns(
    ["l: stw r9,0(r1)", "lwz r3,0(r2)", "cmpwi r3,0", "stw r8,0(r1)", "bne l"],
    ["l: stw r9,0(r2)", "lwz r3,0(r1)", "cmpwi r3,0", "stw r8,0(r2)", "bne l"],
    initial="0:r1=x; 0:r2=y; 0:r9=1; 0:r8=0; 1:r1=x; 1:r2=y; 1:r9=1; 1:r8=0;",
)
PETERSON = columns(
    *[
        [
            f"stw r9,0(r{mine})", f"stw r{mine},0(r4)",
            f"l: lwz r5,0(r{other})", "cmpwi r5,0", "beq in",
            "lwz r5,0(r4)", f"cmpw r5,r{mine}", "beq l",
            f"in: stw r8,0(r{mine})",
        ]
        for mine, other in ((1, 2), (2, 1))
    ],
    initial=" ".join(f"{t}:r1=x; {t}:r2=y; {t}:r4=z; {t}:r9=1; {t}:r8=0;" for t in (0, 1)),
)  # fmt: skip


def doorbell(head="EE=0,1\n", first=("msgsndp r4",)):
    """P0 sends a doorbell to P1, which spins until its handler has stored a flag."""
    return columns(
        [*first],
        ["l: lwz r3,0(r1)", "cmpwi r3,0", "beq l"],
        initial="0:r4=db(1); 1:r1=x; 1:r2=1;",
        head=f"SMT=2\n{head}",
        tail="handler 1 doorbell { stw r2,0(r1); rfid }\n",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_threads_that_spin_on_each_others_flags_are_reported(host):
    (found,) = livelocks(EACH_WAITS_FOR_THE_OTHER, host)
    assert found.explanation == (
        "thread 0 goes round for ever at 0x10000, thread 1 goes round for ever at 0x11000"
    )
    assert found.loop
    assert not found.at_end


@pytest.mark.parametrize("text", [LOCK, PETERSON], ids=["lock", "peterson"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_spin_that_a_fair_run_leaves_is_none(text, host):
    assert not livelocks(text, host)


def test_two_who_step_back_for_each_other_may_do_so_for_ever():
    (found,) = livelocks(AFTER_YOU)
    assert "thread 0" in found.explanation
    assert "thread 1" in found.explanation


def test_a_lock_that_is_never_given_back_is_waited_for_for_ever():
    broken = LOCK.replace("stw r5,0(r1)", "nop")
    assert len(livelocks(broken)) == 2  # either thread is the one that waits


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_doorbell_that_is_on_its_way_arrives_in_the_end(host):
    assert not livelocks(doorbell(), host)
    assert not livelocks(doorbell(head="EE=0,1\nStart=cold\n"), host)


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize(
    "text",
    [doorbell(head="EE=0,0\n"), doorbell(first=("nop",)), doorbell(first=("msgclrp r4",))],
    ids=["never enabled", "never sent", "not sent but cleared"],
)
def test_a_doorbell_that_never_comes_is_spun_for_for_ever(host, text):
    (found,) = livelocks(text, host)
    assert found.explanation.startswith("thread 1 goes round for ever at 0x11000")
    assert "thread 0" not in found.explanation


def test_a_bug_that_no_end_state_shows_is_seen_as_a_spin():
    text = doorbell(head="EE=0,1\nStart=cold\n")
    with switched_on(("lost-kick",)):
        result = run(parse(text), OPTIONS, "power9")
    assert [v.rule for v in result.violations] == [RULE]
    assert not result.witnesses


def test_a_guest_that_exits_again_and_again_does_not_starve_the_others():
    text = columns(
        ["msgsndp r4", "stw r9,0(r1)"],
        ["l: mfspr r5,TIR", "lwz r3,0(r1)", "cmpwi r3,0", "beq l"],
        initial="0:r4=db(1); 0:r9=1; 0:r1=x; 1:r1=x;",
        head="SMT=2\n",
    )
    assert not livelocks(text, "power9")


CEDES_UNTIL_STORED = columns(
    ["l: cede", "lwz r7,0(r1)", "cmpwi r7,0", "beq l"],
    ["stw r9,0(r1)", "prod 0"],
    initial="1:r9=1; 0:r1=x; 1:r1=x;",
    head="SMT=2\nStart=cold\n",
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_race_of_host_code_is_not_lost_for_ever(host):
    assert not livelocks(CEDES_UNTIL_STORED, host)


CALLS = columns(["l: hcall 0x1234", "b l"], initial="", head="SMT=1\n")


@pytest.mark.parametrize("host", HOSTS)
def test_host_code_that_nothing_leads_out_of_is_a_livelock(host):
    (found,) = livelocks(CALLS, host)
    assert found.explanation == "thread 0 goes round for ever at 0x1000c"


def test_a_store_conditional_does_not_fail_for_ever_without_a_reason():
    text = columns(["l: lwarx r3,0,r1", "stwcx. r4,0,r1", "bne l"], ["lwz r3,0(r1)"],
                   initial="0:r1=x; 0:r4=1; 1:r1=x;")  # fmt: skip
    assert not livelocks(text)


def test_who_reads_the_time_waits_for_it():
    text = columns(["l: mfspr r3,TB", "lwz r5,0(r1)", "cmpw r3,r4", "blt l"], ["stw r9,0(r1)"],
                   initial="0:r4=1000000; 0:r1=x; 1:r1=x; 1:r9=1;")  # fmt: skip
    assert not livelocks(text)
    assert livelocks(text.replace("mfspr r3,TB", "mfspr r3,SPRG0"))


def test_a_test_may_allow_what_goes_round_for_ever():
    allowed = EACH_WAITS_FOR_THE_OTHER.replace("PPC T\n", "PPC T\nLivelock=allowed\n")
    assert not livelocks(allowed)
    with pytest.raises(LitmusError, match="Livelock must be judged or allowed, got perhaps"):
        build(parse(allowed.replace("=allowed", "=perhaps")))


@pytest.mark.parametrize(
    ("options", "extent"),
    [
        (OPTIONS, "exhaustive"),
        (replace(OPTIONS, algorithm=Algorithm.BFS), "exhaustive, livelock not judged"),
        (replace(OPTIONS, preemptions=1), "exhaustive up to 1 preemptions"),
    ],
)
def test_a_search_says_if_it_cannot_tell(options, extent):
    result = run(parse(doorbell()), options, "power9")
    assert result.extent == extent
    assert result.complete == extent.startswith("exhaustive,") or extent == "exhaustive"


def test_programs_without_loops_can_be_judged_in_any_order():
    text = columns(["stw r9,0(r1)"], ["lwz r3,0(r1)"], initial="0:r1=x; 0:r9=1; 1:r1=x;")
    assert run(parse(text), replace(OPTIONS, algorithm=Algorithm.BFS)).extent == "exhaustive"


# ---- the witness -----------------------------------------------------------------------------


def first_case(text, host, bugs=()):
    test = parse(text)
    with switched_on(bugs):
        violation = next(v for v in run(test, OPTIONS, host).violations if v.rule == RULE)
        return case_of(test, host, OPTIONS, violation, bugs)


@pytest.mark.parametrize(
    ("text", "host", "bugs"),
    [
        (EACH_WAITS_FOR_THE_OTHER, "power8", ()),
        (AFTER_YOU, "power8", ()),
        (doorbell(head="EE=0,0\n"), "power8", ()),
        (doorbell(head="EE=0,0\n"), "power9", ()),
        (doorbell(head="EE=0,1\nStart=cold\n"), "power9", ("lost-kick",)),
        *[(CALLS, host, ()) for host in HOSTS],
    ],
)
def test_a_livelock_is_replayed_twice_round(text, host, bugs):
    case = first_case(text, host, bugs)
    assert case.property == RULE
    done = replay(parse_case(case_text(case)))
    assert done.reproduced
    assert done.loop == case.loop > 0


def test_a_round_that_does_not_close_is_not_reproduced():
    case = first_case(doorbell(head="EE=0,0\n"), "power8")
    shorter = replace(case, loop=case.loop - 1, schedule=case.schedule[:-1], trail=())
    assert not replay(shorter).reproduced


def test_a_round_that_is_unfair_is_not_reproduced():
    case = first_case(EACH_WAITS_FOR_THE_OTHER, "power8")
    alone = tuple(choice for choice in case.schedule if choice.actor == 0)
    assert not replay(replace(case, schedule=alone, loop=1, trail=())).reproduced
    # In the lock, the one who waits can go round while the owner stands still.
    test = parse(LOCK)
    stage = prepare(build(test), replace(OPTIONS, fine=True, ample=False), "power8")
    case = replace(case, program=LOCK, trail=(), loop=1)
    stage.search.reset()
    go = [Choice(0, ChoiceKind.GO), Choice(0, ChoiceKind.GO), *[Choice(1, ChoiceKind.GO)] * 2]
    assert not replay(replace(case, schedule=tuple(go))).reproduced


def test_everybody_who_could_step_must_have_stepped():
    zero, one, fails = (Choice(0, ChoiceKind.GO), Choice(1, ChoiceKind.GO),
                        Choice(0, ChoiceKind.FAIL))  # fmt: skip
    lands = Choice(1, ChoiceKind.LAND)
    assert is_fair([([zero], zero)])
    assert is_fair([([zero, one], zero), ([zero, one], one)])
    assert not is_fair([([zero, one], zero)])
    assert not is_fair([([zero, one, lands], zero), ([zero], one)])
    assert is_fair([([zero, fails], zero)])
    assert not is_fair([([zero, fails], fails)])


# ---- against a naive search ------------------------------------------------------------------

CELLS = "xy"
steps = st.one_of(
    st.tuples(st.just("store"), st.sampled_from(CELLS), st.integers(0, 1)),
    st.tuples(st.just("await"), st.sampled_from(CELLS), st.integers(0, 1)),
    st.tuples(st.just("again"), st.sampled_from(CELLS), st.integers(0, 1)),
    st.tuples(st.just("lock"), st.sampled_from(CELLS), st.just(0)),
)
threads = st.lists(st.lists(steps, min_size=1, max_size=3), min_size=2, max_size=3)


def program(drawn):
    """`await` spins until a cell has a value; `again` begins anew if it has; `lock` sets it."""
    columns_ = []
    for ops in drawn:
        cells = []
        for number, (kind, cell, value) in enumerate(ops):
            base = f"r{1 + CELLS.index(cell)}"
            here = f"l{number}: "
            if kind == "store":
                cells += [f"{here}stw r{8 + value},0({base})"]
            elif kind == "await":
                cells += [f"{here}lwz r3,0({base})", f"cmpwi r3,{value}", f"bne l{number}"]
            elif kind == "again":
                cells += [f"{here}lwz r3,0({base})", f"cmpwi r3,{value}", "beq l0"]
            else:
                cells += [f"{here}lwarx r3,0,{base}", f"stwcx. r9,0,{base}", f"bne l{number}"]
        columns_.append(cells)
    initial = " ".join(f"{t}:r1=x; {t}:r2=y; {t}:r8=0; {t}:r9=1;" for t in range(len(drawn)))
    return columns(*columns_, initial=initial)


def graph(search):
    """Every state by its hash: the steps out of it, and the choices there are."""
    search.reset()
    edges = {}

    def visit():
        at, here = search.hash(), search.here()
        if at in edges:
            return
        edges[at] = []
        for choice in search.choices():
            search.take(choice)
            edges[at].append((choice, search.hash()))
            visit()
            search.back(here)

    visit()
    return edges


def goes_round(edges):
    """Whether a set of states is closed round, and everybody who can step in it does.

    Tries, for each set of threads that may step for ever, the states where nobody else can.
    """
    kinds = {c.actor for out in edges.values() for c, _ in out}
    for mask in range(1, 1 << len(kinds)):
        who = {actor for i, actor in enumerate(sorted(kinds)) if mask >> i & 1}
        states = {s for s, out in edges.items() if {c.actor for c, _ in out} <= who}
        inner = {
            s: {(c.actor, t) for c, t in edges[s] if t in states and c.kind is ChoiceKind.GO}
            for s in states
        }
        for start in states:
            component = _reached(inner, start) & {s for s in states if start in _reached(inner, s)}
            steps_ = {a for s in component for a, t in inner[s] if t in component}
            if steps_ == who:
                return True
    return False


def _reached(inner, start):
    found, work = set(), [start]
    while work:
        for _, target in inner[work.pop()]:
            if target not in found:
                found.add(target)
                work.append(target)
    return found


@settings(max_examples=150, deadline=None)
@given(threads)
def test_the_verdict_is_that_of_a_naive_search(drawn):
    text = program(drawn)
    stage = prepare(build(parse(text)), replace(OPTIONS, ample=False), "power8")
    stage.search.run()  # what is shared is found on the way
    edges = graph(stage.search)
    if len(edges) <= 150:
        assert bool(livelocks(text)) == goes_round(edges)


SAMPLES = [Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS]


def sampled(text, algorithm, seed=0, max_steps=8000):
    options = Options(
        algorithm=algorithm, max_runs=2, max_steps=max_steps, seed=seed, livelocks=True
    )
    return run(parse(text), options, "power8").cut


@pytest.mark.parametrize("algorithm", SAMPLES)
def test_a_sample_suspects_a_livelock_where_nobody_gets_anywhere(algorithm):
    every = "sampled, 2 runs, 2 of them cut off at 8000 steps, suspected livelock in 2"
    assert sampled(EACH_WAITS_FOR_THE_OTHER, algorithm) == every
    allowed = EACH_WAITS_FOR_THE_OTHER.replace("PPC T\n", "PPC T\nLivelock=allowed\n")
    assert sampled(allowed, algorithm) == every.partition(", suspected")[0]
    short = sampled(EACH_WAITS_FOR_THE_OTHER, algorithm, max_steps=800)
    assert short == "sampled, 2 runs, 2 of them cut off at 800 steps"


@pytest.mark.parametrize("algorithm", SAMPLES)
@pytest.mark.parametrize("text", [LOCK, PETERSON], ids=["lock", "peterson"])
def test_a_sample_lets_whoever_is_waited_for_go_on_in_the_end(algorithm, text):
    for seed in range(20):
        assert sampled(text, algorithm, seed) == "sampled, 2 runs"


@pytest.mark.parametrize("algorithm", SAMPLES)
def test_a_run_without_end_that_gets_on_is_not_suspected(algorithm):
    counts = columns(["l: addi r3,r3,1", "stw r3,0(r1)", "b l"], initial="0:r1=x;")
    assert sampled(counts, algorithm) == "sampled, 2 runs, 2 of them cut off at 8000 steps"
