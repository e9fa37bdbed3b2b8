"""A test that is written out and read again is the same test."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from emu.explore.litmus.model import Cell, Handler, Litmus
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.text import litmus_text

SUITE = sorted(Path(__file__).parents[3].glob("guests/litmus/*.litmus"))

TYPED = r"""PPC typed
"a title in ""quotes"" and a comment"
Limit=states:2e6
{
uint64_t x=0x1234; int *p; y=x;
0:r1=-3; 0:r2=0xffffffffffffffff; 1:r30=db(127); int64_t 1:r3;
}
 P0          | P1 ;
 L0:         | nop ;
 lwz r5,0(r2); (* a label stands in a row of its own *)
 b L0        ;
handler 1 external { nop; rfid }
handler 0x300 { rfid }
locations [x; p; q*; 1:r3; taken(1); trap(0,0xf80)]
filter (x=1 \/ not (y=x /\ 0:r5=2))
forall (0:r5=1 => (x=2 \/ lost(1)))
expect power8,power9 allowed deviation=late
require power9 (blocked(0))
never power7 (pend(0)=1)
"""


def bare(test: Litmus) -> dict[str, object]:
    """What a test means: everything but the text it was read from, and places in it."""
    cells = [[cell.text for cell in column] for column in test.threads]
    handlers = [(h.vector, h.thread, [cell.text for cell in h.cells]) for h in test.handlers]
    rest = {f.name: getattr(test, f.name) for f in fields(test)}
    return rest | {"threads": cells, "handlers": handlers, "text": "", "path": ""}


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.stem)
def test_the_suite_survives_writing_and_reading(path):
    test = load(path)
    assert bare(parse(litmus_text(test))) == bare(test)


def test_types_clauses_and_special_values_survive():
    test = parse(TYPED)
    again = parse(litmus_text(test))
    assert bare(again) == bare(test)
    assert litmus_text(again) == litmus_text(test)


def test_a_changed_test_is_written_as_changed():
    test = parse(TYPED)
    test.threads[1].append(Cell("msgsndp r30", 1, 1))
    test.handlers[0] = test.handlers[0]._replace(cells=(Cell("msgclrp r30", 1, 1),))
    assert isinstance(test.handlers[0], Handler)
    text = litmus_text(test)
    assert "msgsndp r30" in text
    assert "handler 1 external { msgclrp r30 }" in text
