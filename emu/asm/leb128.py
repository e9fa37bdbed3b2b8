"""LEB128: numbers of any size, seven bits a byte, the lowest first (DWARF 4, 7.6)."""

from __future__ import annotations


def leb128(value: int, *, signed: bool) -> bytes:
    """A number as LEB128; an unsigned negative one counts as its 64 bits."""
    if not signed:
        value &= (1 << 64) - 1
    data = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not (signed and byte & 0x40)) or (
            signed and value == -1 and byte & 0x40
        ):
            data.append(byte)
            return bytes(data)
        data.append(byte | 0x80)
