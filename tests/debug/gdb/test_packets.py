"""Framing, escapes and numbers of gdb's protocol, damaged ones too."""

import random

import pytest

from emu.debug.gdb.packets import (
    INTERRUPT,
    MAX_PACKET,
    PacketError,
    Reader,
    escape,
    frame,
    from_hex,
    number,
    numbers,
    unescape,
)


def test_a_packet_is_framed_with_its_checksum():
    assert frame(b"OK") == b"$OK#9a"
    assert frame(b"") == b"$#00"


def test_packets_arrive_whole_however_the_stream_is_cut():
    stream = b"+" + frame(b"g") + INTERRUPT + b"junk" + frame(b"m0,4")
    for cut in range(len(stream)):
        reader = Reader()
        found = [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])]
        assert found == [b"g", INTERRUPT, b"m0,4"]
        assert reader.take_acknowledge() == b"++"
        assert reader.take_acknowledge() == b""


def test_a_damaged_packet_is_refused_and_the_next_one_read():
    reader = Reader()
    assert list(reader.feed(b"$g#00" + frame(b"?"))) == [b"?"]
    assert reader.take_acknowledge() == b"-+"


def test_a_packet_that_was_cut_off_does_not_take_the_next_one_with_it():
    reader = Reader()
    assert list(reader.feed(b"$m1000,4" + frame(b"?"))) == [b"?"]


def test_where_nothing_is_acknowledged_sums_are_not_looked_at():
    reader = Reader()
    reader.trusting = True
    assert list(reader.feed(b"$g#00")) == [b"g"]


def test_a_packet_without_end_does_not_fill_the_memory():
    reader = Reader()
    for _ in range(40):
        assert list(reader.feed(b"$" + b"a" * MAX_PACKET)) == []
    assert list(reader.feed(b"#01" + frame(b"?"))) == [b"?"]
    assert len(reader._rest) < 4 * MAX_PACKET


def test_escapes_are_undone():
    everything = bytes(range(256))
    assert unescape(escape(everything)) == everything
    assert not set(b"#$") & set(escape(everything))


@pytest.mark.parametrize("text", [b"", b"g", b"-1", b"0x1", b"1" * 17, b" 1"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(PacketError):
        number(text)
    with pytest.raises(PacketError):
        numbers(text, 2)


def test_what_are_no_bytes_is_refused():
    assert from_hex(b"00ff") == b"\0\xff"
    for text in (b"0", b"zz", b"\xff\xff"):
        with pytest.raises(PacketError):
            from_hex(text)


def test_any_bytes_are_survived():
    source = random.Random(3)
    reader = Reader()
    for _ in range(2000):
        for packet in reader.feed(source.randbytes(source.randrange(40))):
            assert isinstance(packet, bytes)
