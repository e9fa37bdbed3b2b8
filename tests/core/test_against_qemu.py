"""Tens of thousands of random user programs: the core, the reference and qemu-user agree."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache, partial

import pytest

from emu.isa.table import decode

from .batch import Batch
from .cases import BIG_ENDIAN_ONLY, USER, Maker
from .machines import report_mismatch, run_on_core, run_on_qemu, run_on_reference

ENDIANS = pytest.mark.parametrize("little", [False, True], ids=["big", "little"])
SEEDS = pytest.mark.parametrize("seed", range(6))

# Each variant is the main instruction of so many cases of a batch.
ROUNDS = 15


@cache
def batch_of(seed, little):
    """Make the same batch for the same seed: every user instruction, in random company."""
    rng = random.Random(f"{seed} {little}")
    batch = Batch(little=little)
    maker = Maker(rng, batch)
    for _ in range(ROUNDS):
        for variant in USER:
            batch.add(maker.case(variant, rng.randrange(4)))
    return batch


@cache
def states_from_qemu(seed, little, qemu, directory):
    """Run the batch on qemu-user once for all who compare with it."""
    return run_on_qemu(batch_of(seed, little), qemu, directory / f"{seed}{little}")


@pytest.fixture
def qemu(oracle, little):
    return oracle("qemu-ppc64le" if little else "qemu-ppc64")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("batches")


@ENDIANS
def test_every_user_instruction_occurs(little):
    seen = set()
    for case in batch_of(0, little).cases:
        seen |= {decode(word).mnemonic for word in case.words}
    expected = {
        variant.mnemonic
        for variant in USER
        if not (little and variant.insn.name in BIG_ENDIAN_ONLY)
    }
    assert not expected - seen


@ENDIANS
@SEEDS
@pytest.mark.parametrize("run", [run_on_core, run_on_reference], ids=["core", "reference"])
def test_it_agrees_with_qemu(run, seed, little, qemu, directory):
    batch = batch_of(seed, little)
    theirs = states_from_qemu(seed, little, qemu, directory)
    on_qemu = partial(run_on_qemu, qemu=qemu, path=directory / "shorter")
    report = report_mismatch(batch, run(batch), theirs, run, on_qemu)
    assert not report, report


def test_a_mismatch_is_reported_as_the_shortest_assembly_with_both_results():
    batch = batch_of(0, little=False)

    def wrong_after_divd(some_batch):
        states = run_on_reference(some_batch)
        return [
            replace(state, registers=(*state.registers[:35], 7))
            if any(decode(word).mnemonic == "divd" for word in case.words)
            else state
            for case, state in zip(some_batch.cases, states, strict=True)
        ]

    good, bad = run_on_reference(batch), wrong_after_divd(batch)
    report = report_mismatch(batch, bad, good, wrong_after_divd, run_on_reference).splitlines()
    assert re.fullmatch(r"\d+ of \d+ cases differ \(big-endian\); the smallest:", report[0])
    assert re.search(r"  divd +r\d+,r\d+,r\d+$", report[1])
    assert report[-1].startswith("ctr: 0000000000000007 ")
