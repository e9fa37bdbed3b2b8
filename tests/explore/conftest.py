"""Fixtures of the explorer's tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def herd_tests():
    """Herd's PPC tests with the outcomes of its sequentially consistent model, as pairs.

    They are no part of this project: a folder with sc/*.litmus and sc-expected.jsonl, beside the
    checkout or where EMU_HERD_TESTS says.
    """
    folder = Path(os.environ.get("EMU_HERD_TESTS", ROOT.parent / "shared" / "litmus"))
    expected = folder / "sc-expected.jsonl"
    if not expected.is_file():
        pytest.skip(f"herd's tests are not in {folder} (EMU_HERD_TESTS names another folder)")
    rows = [json.loads(line) for line in expected.read_text().splitlines()]
    return [(folder / row["file"], row) for row in rows]
