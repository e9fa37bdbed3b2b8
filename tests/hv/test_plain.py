"""The rule for host code, and that ours keeps it."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

import emu.hv
from emu.hv.plain import complaints, complaints_in

HOST_CODE = sorted(Path(emu.hv.__file__).parent.glob("*.py"))


def check(body):
    source = "def code():\n" + indent(dedent(body), "    ")
    return [complaint.message for complaint in complaints(source, "code.py")]


@pytest.mark.parametrize("path", HOST_CODE, ids=lambda path: path.name)
def test_our_host_code_is_plain(path):
    assert complaints_in(path) == []


@pytest.mark.parametrize(
    "body",
    [
        "yield a",
        "x = yield a",
        "x: int = yield a",
        "return (yield a)",
        "x = yield from f(a)",
        "if (yield a): pass",
        "if not (yield a): pass",
        "while (yield a) or (yield b): pass",
        "if (yield a) != 5: pass",
        "for x in range(3): yield x",
        "for i, x in enumerate(things): yield x",
        "for x in self.things: yield x",
        "x = (yield a) + 1",
        "match (yield a):\n    case 1:\n        yield b",
    ],
)
def test_allowed(body):
    assert check(body) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("f((yield a))", "a yield must be the first thing that its statement evaluates"),
        ("x = 1 + (yield a)", "an assignment must yield before it computes, and assign to names"),
        ("x += yield a", "a yield must be the first thing that its statement evaluates"),
        ("x[0] = yield a", "an assignment must yield before it computes, and assign to names"),
        ("if f() and g((yield a)): pass", "a condition must yield before it computes"),
        ("if 5 == (yield a): pass", "a condition must yield before it computes"),
        ("for x in [1, 2]: yield x", "loop over range(...), enumerate(...) or a name"),
        ("for x in iter(y): yield x", "loop over range(...), enumerate(...) or a name"),
        ("for x in y:\n    x = 2\n    yield x", "the loop must leave its target x alone"),
        ("with a:\n    yield b", "no yield inside try or with"),
        ("try:\n    yield b\nfinally:\n    pass", "no yield inside try or with"),
        ("x = [(yield a)]", "an assignment must yield before it computes, and assign to names"),
    ],
)
def test_refused(body, message):
    assert check(body) == [message]


def test_a_complaint_names_file_and_line():
    assert str(complaints("def f():\n    g((yield 1))\n", "f.py")[0]).startswith("f.py:2: ")


def test_a_context_manager_is_no_host_code():
    source = "{}def code():\n    try:\n        yield\n    finally:\n        pass\n"
    assert complaints(source.format("@contextmanager\n"), "code.py") == []
    assert complaints(source.format(""), "code.py")
