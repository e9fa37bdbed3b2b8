"""The transcripts in docs/ are what the tools print."""

import re
from pathlib import Path

import pytest

from debug.transcripts import TYPED, replayed

DOCS = Path(__file__).parents[2] / "docs"


def steady(text):
    """Leave out what changes whenever the hypervisor's source does."""
    return re.sub(r"\.py:\d+", ".py:N", re.sub(r"@\d+|\b\d+ (guest instr|steps)", "N", text))


@pytest.mark.parametrize("name", ["debugger", "finding_a_race"])
def test_the_transcripts_are_what_is_printed(name, tmp_path):
    page = (DOCS / f"{name}.md").read_text()
    assert len(TYPED.findall(page)) > 8
    assert steady(replayed(page, tmp_path)) == steady(page)
