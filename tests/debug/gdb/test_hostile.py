"""No packet is fatal: nonsense, and what is nearly right."""

import contextlib
import random
import re
import socket

import pytest
from processes import PATIENCE_S, wait_until, wait_until_idle

from debug.gdb.client import Client
from debug.test_session import CALLS, session
from emu.cli.gdb import monitor
from emu.debug.gdb.packets import frame
from emu.debug.gdb.stub import Stub


@pytest.fixture
def stub():
    debugged = session(smt=2)
    debugged.begin()
    return Stub(debugged, output=lambda _: None, monitor=str)


def test_no_packet_is_fatal(stub):
    source = random.Random(11)
    starts = [b"g", b"G", b"p", b"P", b"m", b"M", b"X", b"H", b"T", b"Z", b"z", b"qXfer:", b"q",
              b"qRcmd,", b"vCont;", b"v", b"Q", b"qThreadExtraInfo,", b"bx", b"?", b"D"]  # fmt: skip  # noqa: E501
    letters = b"0123456789abcdef,:;=.-$#}xpsz\x00\xff "
    for _ in range(4000):
        packet = source.choice(starts) + bytes(
            source.choice(letters) for _ in range(source.randrange(12))
        )
        if re.match(rb"vCont;|X|M|b[sc]", packet) and source.random() < 0.9:
            continue
        reply = stub.handle(packet)
        assert reply is None or isinstance(reply, bytes)


def nearly_valid(source):
    """One packet of any kind, with numbers at the edges of what makes sense."""

    def number():
        return b"%x" % source.choice(
            [
                0,
                1,
                2,
                3,
                0x3000,
                0x10000,
                0x10001,
                0xFFFFC,
                1 << 20,
                1 << 63,
                (1 << 64) - 1,
                1 << 64,
            ]
        )

    def thread():
        return source.choice([b"1", b"2", b"0", b"-1", b"p1.1", b"p1.-1", b"p", b"9", b""])

    data = bytes(source.choice(b"0123456789abcdefx}*") for _ in range(source.randrange(20)))
    kinds = [
        b"vCont;%s"
        % b";".join(
            source.choice([b"c", b"s", b"C05", b"S05", b"r%s,%s" % (number(), number()), b"t"])
            + source.choice([b"", b":" + thread()])
            for _ in range(source.randrange(4))
        ),
        b"%s%s,%s:%s" % (source.choice([b"M", b"X"]), number(), number(), data),
        b"m%s,%s" % (number(), number()),
        b"%s%s,%s,%s"
        % (
            source.choice([b"Z", b"z"]),
            source.choice([b"0", b"1", b"2", b"3", b"4", b"5"]),
            number(),
            number(),
        ),
        b"%s%s" % (source.choice([b"Hg", b"Hc", b"T", b"Hx"]), thread()),
        b"P%s=%s" % (number(), data),
        b"p%s" % number(),
        b"G" + data,
        source.choice(
            [
                b"bs",
                b"bc",
                b"g",
                b"?",
                b"R00",
                b"vRun;",
                b"c",
                b"s",
                b"C0b",
                b"s" + number(),
                b"c" + number(),
                b"D;1",
                b"k",
                b"vKill;1",
                b"!",
                b"qC",
            ]
        ),
        b"qXfer:%s:read:%s:%s,%s"
        % (
            source.choice([b"features", b"threads", b"exec-file", b"memory-map"]),
            source.choice([b"", b"target.xml"]),
            number(),
            number(),
        ),
    ]
    return source.choice(kinds)


@pytest.mark.parametrize("seed", range(4))
def test_packets_that_are_nearly_right_are_answered_too(seed):
    source = random.Random(seed)
    debugged = session(CALLS, smt=1)
    debugged.begin()
    polls = []
    debugged.interrupt = lambda: polls.append(0) or len(polls) % 4 == 0  # a guest may never end
    stub = Stub(debugged, output=lambda _: None, monitor=str)
    for _ in range(400):
        reply = stub.handle(nearly_valid(source))
        assert reply is None or isinstance(reply, bytes)
    assert stub.handle(b"vRun;").startswith(b"T05thread:1;")  # it may have been killed
    assert len(stub.handle(b"g")) == 2 * sum(row.bits // 8 for row in stub.registers)


COMMANDS = [
    "info threads", "stepi", "p r3", "goto 3", "break _start", "delete", "last v0.r3", "when",
    "info doorbells", "x/4i $pc", "watch v0.r3", "reverse-stepi", "c", "quit", "help", "p 1<<999",
    "source /nonexistent", "save /nonexistent/x", "x/99999999 0", "step-irq off", "step-irq",
    "goto 99999999999", "catch hcall", "python 1/0", "explain rb 0x28000001", "p " + "(" * 500,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_monitor_among_hostile_packets_is_answered(seed):
    source = random.Random(seed)
    debugged = session(CALLS, smt=1)
    debugged.begin()
    polls = []
    debugged.interrupt = lambda: polls.append(0) or len(polls) % 3 == 0
    stub = Stub(debugged, output=lambda _: None, monitor=monitor(debugged))
    stub.handle(b"!")
    for _ in range(200):
        packet = b"qRcmd," + source.choice(COMMANDS).encode().hex().encode()
        reply = stub.handle(nearly_valid(source) if source.random() < 0.5 else packet)
        assert reply is None or isinstance(reply, bytes)


SENSELESS = [
    b"m-1,4", b"m1000,-4", b"m,", b"m1000", b"m1000,4,4", b"m" + b"1" * 17 + b",4", b"m0x10,4",
    b"M1000,-1:00", b"M1000,1:0", b"M1000,2:zz", b"X1000,-1:", b"X1000,5:ab", b"X:",
    b"X1000,2:}", b"Z0,-1,4", b"Z0,10001,4", b"Z2,3000,0", b"Z2,3000,10001",
    b"Z2,fffffffffffffff0,20", b"Z0,", b"Z0", b"z2,,", b"p", b"p-1", b"pfff", b"P9", b"P9=",
    b"P9=zz", b"Pfff=00", b"P40=" + b"f" * 99, b"G", b"Gxx", b"T", b"T0", b"Tp1.9", b"Hg99",
    b"Hgp1.", b"Hg-2", b"H", b"vCont;", b"vCont;c:9", b"vCont;t", b"vCont;s:1;;c", b"vCont;r1",
    b"vCont;r1,2,3:1", b"vCont;rx,y:1", b"vCont;c:p1.", b"c-1", b"sxyz", b"bx",
    b"qThreadExtraInfo,", b"qThreadExtraInfo,99", b"qRcmd,0", b"qRcmd,zz",
    b"qXfer:features:read:target.xml:-1,10", b"qXfer:features:read:target.xml:0",
    b"qXfer:features:read:target.xml:0,0,0", b"qXfer:threads:read::,",
]  # fmt: skip


@pytest.mark.parametrize("packet", SENSELESS)
def test_what_makes_no_sense_is_an_error_and_changes_nothing(stub, packet):
    before = stub.handle(b"g"), stub.session.position
    reply = stub.handle(packet)
    assert reply == b"" or re.fullmatch(rb"E[0-9a-f]{2}", reply), reply
    assert (stub.handle(b"g"), stub.session.position) == before
    assert stub.session.points == []


@pytest.mark.parametrize("packet", [
    b"qXfer:features:read:target.xml:ffffffffffffffff,10", b"qXfer:threads:read::10000,1",
])  # fmt: skip
def test_reading_a_description_past_its_end_ends_it(stub, packet):
    assert stub.handle(packet) == b"l"


def test_a_description_is_read_in_pieces_of_any_size(stub):
    whole = stub.handle(b"qXfer:threads:read::0,4000")[1:]
    pieces = [stub.handle(b"qXfer:threads:read::%x,1" % at) for at in range(len(whole))]
    assert b"".join(piece[1:] for piece in pieces) == whole
    assert {piece[:1] for piece in pieces[:-1]} == {b"m"}


def served(port):
    """A client that is answered: the one before may still be being hung up on."""
    found = []

    def answered():
        client = Client(port)
        with contextlib.suppress(ConnectionError):
            client.say(b"qC")
            if client.hear().startswith(b"QC"):
                found.append(client)
                return True
        client.socket.close()
        return False

    wait_until(answered, "somebody is served")
    return found[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_server_outlives_whoever_comes(server, seed):
    listening = server("spin", "--smt", "2")
    source = random.Random(seed)
    for _ in range(12):
        with (
            contextlib.suppress(ConnectionError),  # it detached, and the server has hung up
            socket.create_connection(("127.0.0.1", listening.port), timeout=PATIENCE_S) as stream,
        ):
            for _ in range(source.randrange(1, 12)):
                data = frame(nearly_valid(source)) if source.random() < 0.6 else b"\x03"
                if data.startswith((b"$k", b"$vKill")):
                    continue
                cut = source.choice([len(data), source.randrange(len(data) + 1)])
                stream.sendall(source.choice([b"", b"$", b"#", source.randbytes(9)]) + data[:cut])
    client = served(listening.port)
    client.socket.sendall(b"$m10")  # a half of a packet, and then nothing
    wait_until_idle(listening.process.pid)
    client.socket.close()
    assert listening.process.poll() is None


def test_a_breakpoint_is_passed_at_an_address_with_its_top_bit_set(stub):
    start = stub.session.evaluate("_start")
    assert stub.handle(b"P40=%016x" % (start | 1 << 63)) == b"OK"
    stub.handle(b"Z0,%x,4" % start)
    here = b"40:%016x" % (start + 8 | 1 << 63)
    assert stub.handle(b"vCont;s:1").startswith(b"T05thread:1;")
    assert here in stub.handle(b"vCont;s:1")
    stub.handle(b"bs")
    assert here in stub.handle(b"vCont;s:1")
    stub.session.goto(stub.session.position)
