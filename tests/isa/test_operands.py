import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.isa.operands import OPERANDS, Kind, OperandError, is_run_of_ones

PLACED = [operand for operand in OPERANDS.values() if operand.pieces]


@pytest.mark.parametrize("operand", PLACED, ids=lambda operand: operand.key)
@given(data=st.data())
def test_extract_inverts_insert(operand, data):
    value = data.draw(st.integers(operand.lo // operand.multiple, operand.hi // operand.multiple))
    value *= operand.multiple
    word = operand.insert(value)
    assert operand.extract(word) == value
    assert word & ~operand.field_mask == 0


@pytest.mark.parametrize("operand", PLACED, ids=lambda operand: operand.key)
def test_every_stored_pattern_is_a_value_unless_the_range_is_narrowed(operand):
    narrowed = {"TBR", "TH@ct", "TH@ds"}
    patterns = (operand.hi - operand.lo) // operand.multiple + 1
    assert (patterns == 1 << operand.nbits) == (operand.key not in narrowed)


def test_values_that_an_assembler_reads_in_two_ways_are_the_same_bits():
    operand = OPERANDS["SI@s"]
    assert operand.insert(-1) == operand.insert(65535)
    assert operand.extract(operand.insert(65535)) == -1
    assert OPERANDS["UI@c"].extract(OPERANDS["UI@c"].insert(-1)) == 65535


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SI", 32768, "SI must be between -32768 and 32767, got 32768"),
        ("RT", 32, "RT must be between 0 and 31, got 32"),
        ("RA0", -1, "RA must be between 0 and 31, got -1"),
        ("DS", 6, "DS must be a multiple of 4, got 6"),
        ("DQ", 32768, "DQ must be between -32768 and 32752, got 32768"),
        ("BD", 2, "BD must be a multiple of 4, got 2"),
        ("BM", 5, "BM must be one run of ones, got 0x5"),
        ("BM", 0, "BM must be one run of ones, got 0x0"),
    ],
)
def test_a_misfit_is_told_with_its_rule_and_value(key, value, message):
    with pytest.raises(OperandError) as caught:
        OPERANDS[key].check(value, 1)
    assert str(caught.value) == message
    assert caught.value.index == 1


def test_a_mask_is_one_run_that_may_wrap():
    runs = [0x1, 0x80000000, 0xFF00, 0xF000000F, 0xFFFFFFFF, 0xFFFFFFFE]
    assert all(is_run_of_ones(value) for value in runs)
    assert not any(is_run_of_ones(value) for value in (0, 5, 0xF0F, 0x80000002))


def test_a_displacement_is_the_only_kind_that_takes_a_base():
    assert {o.name for o in OPERANDS.values() if o.kind is Kind.DISPLACEMENT} == {"D", "DS", "DQ"}
