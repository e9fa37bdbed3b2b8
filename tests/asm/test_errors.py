"""What each mistake looks like to the one who made it.

errors/*.s hold one kind of mistake each, *.out the exact text that is shown.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.asm import assemble
from emu.errors import AssemblyError

ERRORS = Path(__file__).parent / "errors"


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.s")), ids=lambda path: path.stem)
def test_a_mistake_is_shown_as_promised(path, monkeypatch):
    monkeypatch.chdir(ERRORS)
    with pytest.raises(AssemblyError) as caught:
        assemble(path.read_text(), filename=path.name)
    assert f"{caught.value}\n" == path.with_suffix(".out").read_text()
