"""Bits as the Power ISA numbers them: bit 0 is the most significant one of its container."""

from __future__ import annotations


def bits(value: int, first: int, last: int, width: int = 64) -> int:
    """Bits `first`:`last` of a `width`-bit value, as an unsigned number.

    `bits(rb, 32, 36)` is what the book writes as (RB)32:36 (Power ISA v3.0B Book I 1.3.2).
    """
    return (value >> (width - 1 - last)) & ((1 << (last - first + 1)) - 1)


def insert(value: int, first: int, last: int, field: int, width: int = 64) -> int:
    """`value` with bits `first`:`last` replaced by the low bits of `field`."""
    shift = width - 1 - last
    field_mask = ((1 << (last - first + 1)) - 1) << shift
    return (value & ~field_mask) | ((field << shift) & field_mask)


def mask(first: int, last: int, width: int = 64) -> int:
    """A `width`-bit value with ones in bits `first`:`last` and zeros elsewhere."""
    return ((1 << (last - first + 1)) - 1) << (width - 1 - last)


def sign_extend(value: int, nbits: int) -> int:
    """The low `nbits` bits of `value` as a two's complement number."""
    sign = 1 << (nbits - 1)
    return ((value & ((1 << nbits) - 1)) ^ sign) - sign
