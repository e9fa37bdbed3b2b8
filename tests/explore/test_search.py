"""The search in C against a naive one in Python, on random programs of loads and stores."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.explore.litmus.guest import build
from emu.explore.litmus.model import Register
from emu.explore.litmus.parse import parse
from emu.explore.litmus.stage import prepare
from emu.explore.search import Algorithm, Options

CELLS = "xyz"
operations = st.tuples(st.sampled_from(["load", "store", "add"]), st.sampled_from(CELLS))
threads = st.lists(st.lists(operations, max_size=4), min_size=1, max_size=3)


def litmus(program):
    """Thread t stores t + 1; the loads go to r10, r11, ...; `add` adds its last load to a cell."""
    columns = []
    for number, thread in enumerate(program):
        cells = [f"li r9,{number + 1}", "li r8,0"]
        for index, (kind, cell) in enumerate(thread):
            base = CELLS.index(cell) + 1
            if kind == "load":
                cells += [f"lwz r{10 + index},0(r{base})", f"mr r8,r{10 + index}"]
            elif kind == "store":
                cells.append(f"stw r9,0(r{base})")
            else:
                cells += ["addi r8,r8,5", f"stw r8,0(r{base})"]
        columns.append(cells)
    rows = "".join(
        " | ".join(row) + " ;\n" for row in itertools.zip_longest(*columns, fillvalue="")
    )
    initial = "; ".join(
        f"{t}:r{i + 1}={c}" for t in range(len(program)) for i, c in enumerate(CELLS)
    )
    shown = [f"{t}:r{10 + i}" for t, ops in enumerate(program) for i in range(len(ops))]
    return parse(
        f"PPC T\n{{ {initial} }}\n" + " | ".join(f"P{t}" for t in range(len(program)))
        + f" ;\n{rows}locations [{'; '.join([*shown, *CELLS])};]\nexists (true)\n"
    )  # fmt: skip


def naive(program):
    """Every outcome, by trying every order of the operations."""
    found = set()

    def go(positions, last, loads, cells):
        moved = False
        for t, thread in enumerate(program):
            at = positions[t]
            if at == len(thread):
                continue
            moved = True
            kind, cell = thread[at]
            step = (*positions[:t], at + 1, *positions[t + 1 :])
            seen = last[t]
            memory, values = dict(cells), dict(loads)
            if kind == "load":
                seen = values[Register(t, f"r{10 + at}")] = memory[cell]
            elif kind == "store":
                memory[cell] = t + 1
            else:
                seen += 5
                memory[cell] = seen
            go(step, (*last[:t], seen, *last[t + 1 :]), values, memory)
        if not moved:
            found.add((frozenset(loads.items()), tuple(sorted(cells.items()))))

    go((0,) * len(program), (0,) * len(program), {}, dict.fromkeys(CELLS, 0))
    return found


def searched(program, **options):
    test = litmus(program)
    stage = prepare(build(test), Options(**options), "power8")
    ended = stage.search.run()
    loads = [(t, i) for t, ops in enumerate(program) for i, (k, _) in enumerate(ops) if k == "load"]
    outcomes = set()
    for found in ended.outcomes:
        state = dict(zip(map(str, stage.watched), found.values, strict=False))
        values = {Register(t, f"r{10 + i}"): state[f"{t}:r{10 + i}"] for t, i in loads}
        cells = tuple(sorted((c, state[f"[{c}]"]) for c in CELLS))
        outcomes.add((frozenset(values.items()), cells))
    return outcomes, ended


def finest(program):
    return prepare(build(litmus(program)), Options(fine=True), "power8").search


@settings(max_examples=60, deadline=None)
@given(threads)
def test_every_exhaustive_algorithm_finds_exactly_the_outcomes(program):
    expected = naive(program)
    for options in (
        {},
        {"ample": False},
        {"algorithm": Algorithm.BFS},
        {"algorithm": Algorithm.DPOR},
        {"preemptions": 12},
    ):
        outcomes, ended = searched(program, **options)
        assert outcomes == expected, options
        assert not ended.facts.cut_runs


LOOPS = """PPC T
{ 0:r1=x; 1:r1=x; 1:r9=1; }
 P0              | P1           ;
 l: lwz r3,0(r1) | stw r9,0(r1) ;
 %s              |              ;
 cmpwi r3,0      |              ;
 beq l           |              ;
exists (0:r3=1)
"""


def dpor(text, **options):
    options = Options(algorithm=Algorithm.DPOR, ample=False, **options)
    return prepare(build(parse(text)), options, "power8").search.run()


def test_dpor_says_that_it_cut_runs_which_come_back_to_a_state():
    ended = dpor(LOOPS % "nop")
    assert ended.cut == "runs cut off where they came back to a state"
    assert ended.facts.cut_rounds
    assert len(ended.outcomes) == 1


def test_dpor_counts_its_steps_where_no_state_comes_again():
    ended = dpor(LOOPS % "addi r4,r4,1")
    assert ended.cut == "runs cut off at 5000 steps"
    assert ended.facts.runs == 4999  # the store comes after any number of rounds
    assert dpor(LOOPS % "addi r4,r4,1", max_states=2000).cut == "cut off at 2000 states"


@settings(max_examples=20, deadline=None)
@given(threads, st.integers(0, 1000))
def test_samples_find_only_what_exists(program, seed):
    expected = naive(program)
    for algorithm in (Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS):
        outcomes, ended = searched(program, algorithm=algorithm, seed=seed, max_runs=30)
        assert outcomes <= expected
        assert ended.facts.runs == 30


@settings(max_examples=20, deadline=None)
@given(threads)
def test_a_schedule_leads_to_its_outcome(program):
    for algorithm in (Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR, Algorithm.PCT):
        stage = prepare(build(litmus(program)), Options(algorithm=algorithm, max_runs=20), "power8")
        search = finest(program)
        for found in stage.search.run().outcomes:
            search.reset()
            for choice in stage.search.refined(found.schedule):
                assert choice in search.choices()
                search.take(choice)
            assert search.choices() == []
            assert search.values() == found.values


@settings(max_examples=20, deadline=None)
@given(threads)
def test_taking_steps_back_restores_the_state(program):
    search = finest(program)
    search.reset()
    before = (search.hash(), search.values(), search.choices())
    while search.choices():
        search.take(search.choices()[-1])
    search.reset()
    assert (search.hash(), search.values(), search.choices()) == before


@settings(max_examples=15, deadline=None)
@given(threads)
def test_breadth_first_schedules_have_the_fewest_context_switches(program):
    def switches(schedule):
        return sum(a.actor != b.actor for a, b in itertools.pairwise(schedule))

    _, best = searched(program, algorithm=Algorithm.BFS)
    _, bounded = searched(program, preemptions=0)
    for found in best.outcomes:
        for other in bounded.outcomes:
            if other.values == found.values:
                assert switches(found.schedule) <= switches(other.schedule)


def test_the_same_seed_draws_the_same_runs():
    program = [[("store", "x"), ("load", "y")], [("store", "y"), ("load", "x")]]
    for algorithm in (Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS):
        first = searched(program, algorithm=algorithm, seed=3, max_runs=25)[1].outcomes
        assert first == searched(program, algorithm=algorithm, seed=3, max_runs=25)[1].outcomes
        assert first != searched(program, algorithm=algorithm, seed=4, max_runs=25)[1].outcomes


def test_a_stored_state_costs_at_most_16_bytes():
    program = [[("load", "x"), ("store", "y"), ("add", "x"), ("load", "y")] * 4] * 3
    _, ended = searched(program, ample=False, max_states=40_000)
    assert ended.facts.states == 40_000
    assert ended.facts.nbytes / ended.facts.states <= 16
