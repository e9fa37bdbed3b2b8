"""gdb's remote serial protocol as bytes: framing, escapes, hexadecimal. Knows no packet's meaning.

A packet is `$data#cc`, cc = sum of the data's bytes modulo 256; `+` and `-` acknowledge; byte 3
alone is Ctrl-C. Whatever arrives is data, a packet, or skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.errors import EmuError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PACKET: Final = 0x4000
INTERRUPT: Final = b"\x03"
_SPECIAL: Final = b"#$}*"


class PacketError(EmuError):
    """A packet that says nothing that can be done; the text is for the log."""


def frame(data: bytes) -> bytes:
    """Wrap data in a packet."""
    return b"$%s#%02x" % (data, sum(data) & 0xFF)


def escape(data: bytes) -> bytes:
    """Make binary data fit for a packet."""
    out = bytearray()
    for byte in data:
        if byte in _SPECIAL:
            out += bytes((0x7D, byte ^ 0x20))
        else:
            out.append(byte)
    return bytes(out)


def unescape(data: bytes) -> bytes:
    """Undo escape()."""
    out = bytearray()
    escaped = False
    for byte in data:
        if escaped:
            out.append(byte ^ 0x20)
        elif byte != 0x7D:
            out.append(byte)
        escaped = byte == 0x7D and not escaped
    return bytes(out)


class Reader:
    """Cuts a stream of bytes into packets and interrupts.

    acknowledge: what to send back for what was read since the last call, `+` for a good packet
    and `-` for a damaged one. trusting: sums are not looked at, as is right where nothing is
    acknowledged: nobody would send a damaged packet again.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.acknowledge = b""
        self.trusting = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the packets' data and INTERRUPT, in order; the rest waits for more bytes."""
        self._rest += data
        while self._rest:
            first = self._rest[0]
            if first == INTERRUPT[0]:
                del self._rest[0]
                yield INTERRUPT
            elif first != ord("$"):
                del self._rest[0]
            else:
                end = self._rest.find(b"#")
                if len(self._rest) > 2 * MAX_PACKET + 4 and not 0 <= end <= 2 * MAX_PACKET:
                    del self._rest[0]  # no packet is so long: look for the next one
                    continue
                if end < 0 or end + 2 >= len(self._rest):
                    return
                # A `$` within a packet would be escaped: what stands before it was cut off.
                packet = bytes(self._rest[self._rest.rfind(b"$", 0, end) + 1 : end])
                check = bytes(self._rest[end + 1 : end + 3])
                del self._rest[: end + 3]
                if self.trusting or check.lower() == b"%02x" % (sum(packet) & 0xFF):
                    self.acknowledge += b"+"
                    yield packet
                else:
                    self.acknowledge += b"-"

    def take_acknowledge(self) -> bytes:
        """Return what is to be sent back, once."""
        found, self.acknowledge = self.acknowledge, b""
        return found


def number(text: bytes) -> int:
    """Read a hexadecimal number of up to 16 digits. Raises PacketError."""
    if not 1 <= len(text) <= 16 or not all(byte in b"0123456789abcdefABCDEF" for byte in text):
        raise PacketError(f"a number has 1 to 16 hexadecimal digits, got {text[:20]!r}")
    return int(text, 16)


def numbers(text: bytes, count: int) -> list[int]:
    """Read so many numbers with commas between them. Raises PacketError."""
    parts = text.split(b",")
    if len(parts) != count:
        raise PacketError(f"expected {count} numbers, got {text[:60]!r}")
    return [number(part) for part in parts]


def from_hex(text: bytes) -> bytes:
    """Read bytes as two digits each. Raises PacketError."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise PacketError(f"bytes are pairs of hexadecimal digits, got {text[:20]!r}") from None


def to_hex(data: bytes) -> bytes:
    """Write bytes as two digits each."""
    return data.hex().encode("ascii")
