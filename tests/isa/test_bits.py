from hypothesis import given
from hypothesis import strategies as st

from emu.isa.bits import bits, insert, mask, sign_extend

DOUBLEWORDS = st.integers(0, (1 << 64) - 1)
RANGES = st.tuples(st.integers(0, 63), st.integers(0, 63)).map(sorted)


def test_bit_0_is_the_most_significant():
    assert bits(1 << 63, 0, 0) == 1
    assert bits(1, 63, 63) == 1
    assert bits(0x28000001, 32, 36) == 5
    assert bits(0x7C00211C, 0, 5, width=32) == 31


def test_mask_covers_first_to_last():
    assert mask(0, 63) == (1 << 64) - 1
    assert mask(32, 36) == 0xF8000000
    assert mask(0, 5, 32) == 0xFC000000


@given(DOUBLEWORDS, RANGES, DOUBLEWORDS)
def test_what_is_inserted_is_read_back_and_the_rest_stays(value, where, field):
    first, last = where
    result = insert(value, first, last, field)
    assert bits(result, first, last) == field & mask(63 - (last - first), 63)
    assert result & ~mask(first, last) == value & ~mask(first, last)


@given(st.integers(1, 64), st.data())
def test_sign_extend_inverts_truncation(nbits, data):
    number = data.draw(st.integers(-(1 << (nbits - 1)), (1 << (nbits - 1)) - 1))
    assert sign_extend(number & ((1 << nbits) - 1), nbits) == number
