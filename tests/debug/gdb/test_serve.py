"""A stub over a socket: interrupts, a second client, where it listens, who hangs up."""

import threading

import pytest
from processes import PATIENCE_S

from debug.gdb.client import Client
from debug.test_session import session
from emu.debug.gdb.listening import Refusals, listen
from emu.debug.gdb.packets import frame
from emu.debug.gdb.serve import Conversation, Socket
from emu.errors import ConfigError


@pytest.fixture
def served():
    debugged = session("_start: addi 3,3,1; b _start", smt=1)
    debugged.begin()
    listener = listen("127.0.0.1:0")

    def serve():
        connection, _ = listener.accept()
        with connection:
            Conversation(debugged, Socket(connection), monitor=str, others=Refusals(listener)).run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = Client(listener.getsockname()[1])
    yield client, listener.getsockname()[1]
    client.socket.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    listener.close()


def test_ctrl_c_stops_a_guest_that_never_ends_in_both_directions(served):
    client, _ = served
    client.say(b"vCont;c")
    client.socket.sendall(b"\x03")
    assert client.hear().startswith(b"T02thread:1;")
    client.say(b"Z2,3000,8")
    assert client.hear() == b"OK"
    client.say(b"bc")
    client.socket.sendall(b"\x03")
    assert client.hear()[:3] in (b"T02", b"T05")


def test_a_second_gdb_is_refused_with_a_sentence(served):
    client, port = served
    client.say(b"qC")
    assert client.hear() == b"QC1"
    other = Client(port)
    for packet in (b"qSupported", b"vMustReplyEmpty"):
        other.say(packet)
        assert other.hear() == b"E.another gdb is connected already"
    other.socket.close()
    client.say(b"qC")
    assert client.hear() == b"QC1"


def test_it_listens_on_loopback_only_unless_told():
    with listen(":0") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    with listen("0.0.0.0:0") as listener:
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104
    for bad in ("nonsense", "localhost:x", ":99999", ":\u0661", "\udcff:1", "x" * 99 + ".y:1"):
        with pytest.raises(ConfigError):
            listen(bad)


def test_packets_while_the_guest_runs_stop_it_and_are_answered_then(served):
    client, _ = served
    client.say(b"vCont;c")
    client.socket.sendall(frame(b"p3") * 100)
    assert client.hear().startswith(b"T02thread:1;")
    values = {client.hear() for _ in range(100)}
    assert len(values) == 1


def test_noise_between_packets_is_passed_over(served):
    client, _ = served
    client.socket.sendall(b"+-\x00\xff#12}*\x03" + frame(b"qC") + b"$m1000" + frame(b"qC"))
    assert [client.hear(), client.hear()] == [b"QC1", b"QC1"]


def test_a_packet_without_end_is_given_up(served):
    client, _ = served
    client.socket.sendall(b"$" + b"m" * 1_000_000)
    client.socket.sendall(frame(b"qC"))
    assert client.hear() in (b"", b"QC1")
    client.say(b"qC")
    assert client.hear() == b"QC1"


def test_escaped_bytes_arrive_and_are_sent_back_as_they_were(served):
    client, _ = served
    data = bytes(range(256))
    escaped = b"".join(b"}%c" % (byte ^ 0x20) if byte in b"#$}*" else b"%c" % byte for byte in data)
    client.say(b"X3000,100:" + escaped)
    assert client.hear() == b"OK"
    client.say(b"m3000,100")
    assert bytes.fromhex(client.hear().decode()) == data


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("rest", [b"", b"$", b"$m10", b"$qC#", b"$qC#9"])
def test_a_client_may_hang_up_at_any_point(served, rest, running):
    client, _ = served  # whose end the fixture waits for
    if running:
        client.say(b"vCont;c")
    client.socket.sendall(rest)
    client.socket.close()
