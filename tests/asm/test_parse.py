"""Operand shapes: what the grammar makes of them."""

from __future__ import annotations

from itertools import product

import pytest

from emu.asm import grammar, parse
from emu.asm.parse import ParseError, parse_operands
from emu.asm.scan import LONG_OPERATORS, scan


def by_grammar(shape):
    try:
        return grammar.parse(shape)
    except ParseError:
        return None


def test_shortcuts_agree_with_the_grammar_on_every_short_shape():
    taken = 0
    for length in range(1, 6):
        for kinds in product("nsr@()+-*", repeat=length):
            shape = "".join(kinds)
            found = parse.shortcut(shape)
            if found is not None:
                assert found == by_grammar(shape), shape
                taken += 1
    assert taken > 20


@pytest.mark.parametrize("base", "nsr")
def test_shortcuts_agree_with_the_grammar_on_displacements(base):
    for value in ("n", "-n", "s@", "s+n@", "s-s@", "n*s+s"):
        shape = f"{value}({base})"
        assert parse.shortcut(shape) == by_grammar(shape)


def test_every_kind_of_token_has_a_terminal():
    text = '%r3 name 5 "s" @l ( ) , = + - ~ ! * / % | & ^ < > ' + " ".join(LONG_OPERATORS)
    assert set(scan(text).shape) == set(grammar.TERMINALS)


def test_a_name_may_follow_a_remainder_sign():
    assert scan("10 %r3").texts == ("10", "%", "r3")
    assert scan("add,%r3").texts == ("add", ",", "%r3")


@pytest.mark.parametrize(
    ("text", "postfix"),
    [
        ("1+2*3", (0, 2, 4, "*", "+")),
        ("1|2+4", (0, 2, "|", 4, "+")),
        ("1<<2+1", (0, 2, "L", 4, "+")),
        ("1-2-3", (0, 2, "-", 4, "-")),
        ("-~1", (2, "inv", "neg")),
        ("1==2&&3||4", (0, 2, "E", 4, "A", 6, "O")),
        ("(1+2)*3", (1, 3, "+", 6, "*")),
    ],
)
def test_operators_bind_as_in_gnu_as(text, postfix):
    (operand,) = parse_operands(scan(text).shape)
    assert operand.value == postfix
