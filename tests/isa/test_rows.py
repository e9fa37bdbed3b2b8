"""Malformed rows: one mistake each, and what the author is told."""

import pytest

from emu.isa.forms import TableError
from emu.isa.instruction import insn
from emu.isa.syntax import alias, syntaxes
from emu.isa.table import VARIANTS


def row(syntax, form, picture, **facts):
    return insn(syntax, form, picture, "I 3.3", "A test", "", **facts)


@pytest.mark.parametrize(
    ("syntax", "form", "picture", "message"),
    [
        ("t RT,RA,SI", "D", "14 RT RA RB SI", "t RT,RA,SI: D-form has 4 or 6 boxes, row has 5"),
        ("t RT,RA,SI", "E", "14 RT RA SI", "t RT,RA,SI: there is no form E; there are I, B, "),
        ("t RT,RA,SI", "D", "64 RT RA SI", "t RT,RA,SI: D-form: 64 does not fit in bits 0:5"),
        ("t RT,RA,RB", "X", "31 RT RA RB 1024 /", "1024 does not fit in bits 21:30"),
        ("t RT,RA,SI", "D", "14 RA RT SI", "D-form: RA at 6:10 is at 11:15"),
        ("t RT,RA", "D", "14 RT RA SI", "D-form: SI at 16:31 is no operand"),
        ("t RT,RA,SI", "D", "14 RT / SI", "D-form: RA is in no box"),
        ("t RT,RA,XX", "D", "14 RT RA SI", "there is no operand XX"),
        ("t RT,RA,RB", "X", "31 RT RA RB 1 Rc", "X-form: Rc at 31:31 is no operand"),
        ("t[.] RT,RA,RB", "X", "31 RT RA RB 1 /", "X-form: Rc is in no box"),
        (
            "t[.]x[o] RT,RA,RB",
            "XO",
            "31 RT RA RB OE 1 Rc",
            "suffixes must be adjacent, got t[.]x[o]",
        ),
        ("t RT[,RA", "X", "31 RT RA / 1 /", "no ] in RT[,RA"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(syntax, form, picture, message):
    with pytest.raises(TableError) as caught:
        row(syntax, form, picture)
    assert message in str(caught.value)
    assert syntax.partition(" ")[0] in str(caught.value)


def test_a_rule_for_invalid_forms_must_exist():
    with pytest.raises(TableError, match="t RT: there is no rule RT=7"):
        row("t RT", "X", "31 RT / / 1 /", invalid=("RT=7",))


@pytest.mark.parametrize(
    ("operands", "base", "message"),
    [
        ("RT,RA", "RT,RA,RB", "there is no operand RB in RT, RA"),
        ("RT,RA,XX", "RT,RA,RA", "there is no operand XX"),
        ("RT,RA", "RT,RA", "add has 3 operands, RT,RA gives 2"),
        ("RT,RA", "RT,RA,mb(RB)", "there is no operand RB in RT, RA"),
        ("RT,RA", "RT,RA,RA+", "cannot read RA+"),
    ],
)
def test_an_extended_mnemonic_must_give_each_operand_a_value(operands, base, message):
    with pytest.raises(TableError) as caught:
        list(syntaxes("t", operands, VARIANTS["add"], base))
    assert message in str(caught.value)


def test_an_extended_mnemonic_has_the_suffixes_of_its_base():
    with pytest.raises(TableError, match=r"t\[\.\]: mullhw has no such suffixes as t\."):
        dict(alias("t[.] RT,RA", "mullhw RT,RA,RA"))


def test_a_row_makes_one_variant_of_each_combination_of_suffixes():
    made = row("t[o][.] RT,RA,RB", "XO", "31 RT RA RB OE 266 Rc")
    assert [v.mnemonic for v in made.variants] == ["t", "t.", "to", "to."]
    assert [(v.oe, v.rc) for v in made.variants] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [v.match for v in made.variants] == [0x7C000214, 0x7C000215, 0x7C000614, 0x7C000615]
    assert {v.mask for v in made.variants} == {0xFC0007FF}
    assert made.name == "t"


def test_reserved_bits_are_fixed_for_the_assembler_and_ignored_by_execution():
    made = row("t RB", "X", "31 / / RB 142 /")
    assert (made.match, made.mask, made.opcode_mask) == (0x7C00011C, 0xFFFF07FF, 0xFC0007FE)


def test_an_rc_bit_that_is_always_1_is_no_part_of_the_opcode():
    made = row("t. RS,RA0,RB", "X", "31 RS RA RB 150 1")
    assert (made.match, made.mask, made.opcode_mask) == (0x7C00012D, 0xFC0007FF, 0xFC0007FE)
    assert made.name == "t_"
