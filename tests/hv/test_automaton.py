"""Learning host code: equal places are one node, and nothing else is."""

import pytest

from emu.hv.automaton import Automaton, HostCodeError
from emu.hv.ops import Read, ReadTrap, Reason, Write
from emu.hv.run import vcpu_task
from emu.isa.hcalls import HCALLS
from hv.hand import Hand

H_CEDE = 1 + [row.name for row in HCALLS].index("H_CEDE")


class Paper:
    """Takes nodes and edges and only counts."""

    def __init__(self):
        self.nodes = []
        self.edges = {}

    def add_node(self, op):
        self.nodes.append(op)
        return len(self.nodes)

    def add_edge(self, node, answer, target):
        self.edges[node, answer] = target


def learn(code, answers):
    """Learn everything that a few answers to each operation lead to."""
    automaton = Automaton(Paper())
    known = [automaton.root(code)]
    for node in known:
        for answer in answers(automaton.op(node)) if callable(answers) else answers:
            target = automaton.expand(node, answer)
            if target and target not in known:
                known.append(target)
    return automaton


def test_a_loop_closes():
    def code():
        while True:
            yield Write(1, 0)
            yield Write(2, 0)

    assert len(learn(code, [0])) == 2


def test_an_answer_that_nobody_reads_again_does_not_split_places():
    def code():
        while True:
            seen = yield Read(1)
            yield Write(2, seen)
            yield Write(3, 0)

    assert len(learn(code, range(10))) == 1 + 10 + 1


def test_an_answer_that_is_still_needed_does():
    def code():
        while True:
            seen = yield Read(1)
            yield Write(3, 0)
            yield Write(2, seen)

    assert len(learn(code, range(10))) == 1 + 10 + 10


def test_the_position_in_a_for_loop_is_part_of_the_place():
    def code():
        for _ in range(3):
            yield Write(1, 0)

    automaton = learn(code, [0])
    assert len(automaton) == 3
    assert 0 in automaton._walker.edges.values(), "it ends"


def test_a_place_inside_delegated_code_includes_its_callers():
    def inner():
        yield Write(1, 0)

    def code():
        yield from inner()
        yield from inner()
        yield Write(2, 0)

    assert len(learn(code, [0])) == 3


def test_a_generator_that_is_asked_out_of_order_is_run_again_from_its_history():
    def code():
        total = 0
        for _ in range(4):
            bit = yield Read(1)
            total = 2 * total + bit
        yield Write(2, total)

    automaton = learn(code, [0, 1])
    written = sorted(op.value for op in automaton._walker.nodes if isinstance(op, Write))
    assert written == list(range(16))


def test_hidden_state_is_found_by_verify():
    hidden = iter(range(100))

    def code():
        yield Write(1, 0)
        yield Write(2, next(hidden))

    automaton = learn(code, [0])
    with pytest.raises(HostCodeError, match="was learned"):
        automaton.verify()


def test_host_code_must_yield_operations():
    def code():
        yield 5

    with pytest.raises(HostCodeError, match="yields 5, not an operation"):
        learn(code, [0])


def test_host_code_must_keep_hashable_locals():
    def code():
        found = []
        yield Write(1, 0)
        found.append(1)
        yield Write(2, len(found))

    with pytest.raises(HostCodeError, match="keeps a local that is unhashable"):
        learn(code, [0])


def test_host_code_delegates_to_generators_only():
    def code():
        yield from (Write(1, 0), Write(2, 0))

    with pytest.raises(HostCodeError, match="not to a generator"):
        learn(code, [0])


def test_a_node_with_too_many_answers_is_refused():
    def code():
        while True:
            yield Read(1)

    with pytest.raises(HostCodeError, match="has more than 4096 answers"):
        learn(code, range(5000))


def test_where_names_the_source_line_and_the_live_locals():
    def code():
        seen = yield Read(1)
        yield Write(3, 0)
        yield Write(2, seen)

    automaton = learn(code, [7])
    place = automaton.where(2)[-1]
    assert place.live == {"seen": 7}
    assert place.file == __file__
    assert place.function.endswith("code")


def test_the_hypervisor_itself_is_learned_and_verified():
    hand = Hand(smt=2)
    exits = [Reason.H_DOORBELL, Reason.HCALL, Reason.HCALL | H_CEDE << 8, Reason.HDEC]
    exits += [Reason.HFAC_UNAVAIL | facility << 8 for facility in (3, 5, 10)]

    def answers(op):
        return exits if isinstance(op, ReadTrap) else (0, 1)

    automaton = learn(lambda: vcpu_task(hand.vcpus[0]), answers)
    assert len(automaton) > 50
    assert automaton.verify() > len(automaton)


def test_a_node_names_the_lines_of_its_calls():
    def inner():
        yield Read(1)

    def code():
        yield Write(1, 0)
        yield from inner()

    automaton = learn(code, [0])
    first, second = (automaton.chain(node) for node in (1, 2))
    assert [step.function.rpartition(".")[2] for step in first] == ["code"]
    assert [step.function.rpartition(".")[2] for step in second] == ["code", "inner"]
    assert second[0].line == first[0].line + 1
    assert second[1].line == first[0].line - 3
