"""What each packet means for a session."""

from xml.etree import ElementTree as ET

import pytest

from debug.test_session import session
from emu.debug.gdb.packets import unescape
from emu.debug.gdb.registers import registers_of
from emu.debug.gdb.stub import Stub


@pytest.fixture
def stub():
    debugged = session(smt=2)
    debugged.begin()
    printed = []
    made = Stub(debugged, output=printed.append, monitor=lambda line: f"did {line}\n")
    made.printed = printed
    return made


def address(stub, symbol):
    return stub.session.evaluate(symbol)


def test_an_unknown_packet_is_answered_with_nothing(stub):
    for packet in (b"vMustReplyEmpty", b"qTStatus", b"qOffsets", b"qSymbol::", b"\xff", b"", b"vX"):
        assert stub.handle(packet) == b""


def test_the_sequence_of_a_connection(stub):
    assert b"ReverseContinue+" in stub.handle(b"qSupported:multiprocess+;swbreak+")
    assert stub.handle(b"QStartNoAckMode") == b"OK"
    assert stub.handle(b"Hg0") == b"OK"
    assert stub.handle(b"?").startswith(b"T05thread:01;")
    assert stub.handle(b"qAttached") == b"1"
    assert stub.handle(b"Hc-1") == b"OK"
    assert stub.handle(b"qC") == b"QC1"
    assert stub.handle(b"qfThreadInfo") == b"m1,2"
    assert stub.handle(b"qsThreadInfo") == b"l"
    assert stub.handle(b"vCont?") == b"vCont;c;C;s;S;r"
    assert bytes.fromhex(stub.handle(b"qThreadExtraInfo,2").decode()) == b"host TIR=1"


def test_gdb_is_told_where_a_position_independent_program_lies(stub):
    assert stub.handle(b"qOffsets") == b""
    stub.session.program = stub.session.program.moved(0x400000)
    assert stub.handle(b"qOffsets") == b"Text=400000;Data=400000;Bss=400000"


def test_threads_are_vcpus_from_one(stub):
    assert stub.handle(b"T1") == b"OK"
    assert stub.handle(b"T3") == b"E16"
    assert stub.handle(b"Hgp1.2") == b"OK"
    xml = unescape(stub.handle(b"qXfer:threads:read::0,1000")[1:])
    names = [thread.get("name") for thread in ET.fromstring(xml)]  # noqa: S314 - our own
    assert names == ["vcore0.t0", "vcore0.t1"]


def test_the_description_is_xml_that_lists_every_register_once(stub):
    pieces, offset = b"", 0
    while True:
        reply = stub.handle(b"qXfer:features:read:target.xml:%x,400" % offset)
        pieces += unescape(reply[1:])
        offset += len(unescape(reply[1:]))
        if reply[:1] == b"l":
            break
    rows = ET.fromstring(pieces).findall(".//reg")  # noqa: S314 - our own
    numbers = [int(row.get("regnum")) for row in rows]
    assert len(numbers) == len(set(numbers))
    assert {"r0", "pc", "msr", "cr", "lr", "ctr", "xer", "f0", "fpscr", "tir", "dpdes", "srr0",
            "hfscr", "vstate"} <= {row.get("name") for row in rows}  # fmt: skip
    assert stub.handle(b"qXfer:features:read:other.xml:0,10") == b"E00"


@pytest.mark.parametrize("generation", [7, 8, 9])
def test_register_numbers_do_not_meet(generation):
    numbers = [row.number for row in registers_of(generation)]
    assert numbers == sorted(set(numbers))


def test_registers_are_read_and_written_in_the_order_of_the_description(stub):
    everything = stub.handle(b"g")
    assert len(everything) == 2 * sum(row.bits // 8 for row in stub.registers)
    assert everything[16 * 32 : 16 * 33] == b"x" * 16  # f0: there is no floating point
    assert stub.handle(b"P9=0000000000001234") == b"OK"
    assert stub.handle(b"p9") == b"0000000000001234"
    assert stub.session.evaluate("v0.r9") == 0x1234
    assert stub.handle(b"P9=12") == b"E01"
    assert stub.handle(b"p3e7") == b"E01"
    changed = stub.handle(b"g")
    assert stub.handle(b"G" + changed) == b"OK"
    assert stub.handle(b"g") == changed


def test_memory_is_read_and_written_or_refused(stub):
    assert stub.handle(b"M3000,4:deadbeef") == b"OK"
    assert stub.handle(b"m3000,4") == b"deadbeef"
    assert stub.handle(b"X3000,0:") == b"OK"
    assert stub.handle(b"X3000,2:\x01}\x03") == b"OK"
    assert stub.handle(b"m3000,2") == b"0123"
    assert stub.handle(b"m100000,4") == b"E01"
    assert stub.handle(b"mffffffffffffffff,4") == b"E01"
    assert stub.handle(b"mffffe,ffffffffffff")[:2] != b""
    assert stub.handle(b"M3000,4:dead") == b"E01"


def test_a_breakpoint_stops_with_its_reason_and_inserting_twice_is_once(stub):
    where = address(stub, "send")
    assert stub.handle(b"Z0,%x,4" % where) == b"OK"
    assert stub.handle(b"Z0,%x,4" % where) == b"OK"
    reply = stub.handle(b"vCont;c")
    assert reply.startswith(b"T05thread:1;swbreak:;40:%016x;01:" % where)
    assert stub.handle(b"z0,%x,4" % where) == b"OK"
    assert stub.handle(b"z0,%x,4" % where) == b"OK"
    assert stub.session.points == []
    assert stub.handle(b"Z0,%x,4" % (where + 1)) == b"E01"
    assert stub.handle(b"Z9,0,4") == b""


def test_a_watched_store_is_reported_in_front_of_it_and_behind_it_going_back():
    debugged = session("_start: li 3,7; nop; std 3,0x3000(0); nop; ld 4,0x3000(0); nop; b .", smt=1)
    debugged.begin()
    stub = Stub(debugged, output=lambda _: None, monitor=str)
    start = address(stub, "_start")
    stub.handle(b"Z2,3000,8")
    reply = stub.handle(b"vCont;c")
    assert b"watch:3000;40:%016x" % (start + 8) in reply
    stub.handle(b"z2,3000,8")
    assert b"40:%016x" % (start + 12) in stub.handle(b"vCont;s:1")
    stub.handle(b"Z3,3004,4")
    assert b"rwatch:3004;40:%016x" % (start + 16) in stub.handle(b"vCont;c")
    stub.handle(b"z3,3004,4")
    stub.handle(b"vCont;s:1")
    stub.handle(b"Z2,3000,8")
    assert b"watch:3000;40:%016x" % (start + 12) in stub.handle(b"bc")
    assert b"40:%016x" % (start + 8) in stub.handle(b"bs")
    assert b"replaylog:begin" in stub.handle(b"bc")


def test_steps_go_forth_and_back_on_the_thread_that_is_chosen(stub):
    start = address(stub, "_start")
    assert b"thread:1;40:%016x" % (start + 4) in stub.handle(b"vCont;s:1;c")
    assert b"thread:1;40:%016x" % start in stub.handle(b"bs")
    stub.handle(b"Hc2")
    assert b"thread:2;40:%016x" % (start + 4) in stub.handle(b"vCont;s:2")
    assert stub.session.evaluate("v0.ic") == 0  # vCont;s:2 alone locks the others
    assert b"thread:2;40:%016x" % start in stub.handle(b"bs")


def test_the_end_keeps_history_and_is_final_when_asked_again(stub):
    assert b"replaylog:end" in stub.handle(b"vCont;c")
    assert b"the guest exited with status 0\n" in stub.printed
    assert b"T05thread" in stub.handle(b"bs")
    stub.handle(b"vCont;c")
    assert stub.handle(b"vCont;c") == b"W00"


def test_monitor_prints_and_answers_ok(stub):
    assert stub.handle(b"qRcmd," + b"info hv".hex().encode()) == b"OK"
    assert stub.printed == [b"did info hv\n"]
    assert stub.handle(b"qRcmd,zz") == b"E01"


def test_detaching_removes_what_gdb_inserted(stub):
    stub.handle(b"Z0,%x,4" % address(stub, "send"))
    assert stub.handle(b"D") == b"OK"
    assert stub.done
    assert stub.session.points == []


def test_in_the_extended_mode_a_killed_guest_can_be_run_again(stub):
    start = address(stub, "_start")
    assert stub.handle(b"!") == b"OK"
    stub.handle(b"Z0,%x,4" % address(stub, "send"))
    stub.handle(b"vCont;c")
    assert stub.handle(b"vKill;a410") == b"OK"
    assert not stub.done
    assert stub.session.points == []
    assert stub.handle(b"?") == b"W00"
    assert stub.handle(b"qfThreadInfo") == b"l"
    assert (
        stub.handle(b"qXfer:threads:read::0,1000") == b'l<?xml version="1.0"?><threads></threads>'
    )
    assert stub.handle(b"qC") == b""
    for packet in (b"g", b"m0,4", b"vCont;c", b"c", b"bs", b"Z0,10000,4", b"T1"):
        assert stub.handle(packet) == b"E01"
    assert b"40:%016x" % start in stub.handle(b"vRun;")
    assert stub.handle(b"qfThreadInfo") == b"m1,2"
    assert stub.handle(b"D") == b"OK"
    assert not stub.done
    assert stub.handle(b"R00") is None
    assert b"40:%016x" % start in stub.handle(b"?")


def test_without_the_extended_mode_killing_ends_it(stub):
    assert stub.handle(b"vKill;a410") == b"OK"
    assert stub.done
    assert stub.killed


def test_a_breakpoint_that_is_not_gdbs_stops_with_a_sentence(stub):
    where = address(stub, "send")
    stub.session.break_at(where)
    assert stub.handle(b"vCont;c").startswith(b"T00thread:1;40:%016x" % where)
    assert stub.printed == [b"breakpoint 1, %#x <send>\n" % where]


def test_hardware_breakpoints_are_reported_as_such(stub):
    where = address(stub, "send")
    stub.handle(b"Z1,%x,4" % where)
    assert b"hwbreak:;40:%016x" % where in stub.handle(b"vCont;c")


def test_monitor_says_when_gdb_must_look_again_and_leaves_gdb_its_thread(stub):
    def command(line):
        if line == "switch v1":
            stub.session.select(1)
        else:
            stub.session.stepi()
        return "done\n"

    stub.monitor = command
    stub.handle(b"Hg1")
    stub.handle(b"qRcmd," + b"stepi".hex().encode())
    stub.handle(b"qRcmd," + b"switch v1".hex().encode())
    assert stub.printed == [
        b"done\ngdb shows what was before until `maintenance flush register-cache`\n", b"done\n",
    ]  # fmt: skip
    assert stub.handle(b"qC") == b"QC1"
