"""Slices and arrows say what the events said."""

from __future__ import annotations

import pytest

from emu.trace.lane_text import LaneText
from emu.trace.lanes import CEDED, GUEST, HOST, Arrow, Lanes, Slice
from emu.trace.read import Entry, Header

HEADER = Header("power9", ("v0", "v1"), (0, 0), (0, 1))


def entry(tb, vcpu, event, case="", value=0):
    return Entry(0, tb, f"v{vcpu}", vcpu, event, case, value, 0x10000)


SEND = entry(4, 0, "kvm_ppc_doorbell", "sent", 0x28000001)
TAKE = entry(9, 1, "guest_interrupt", "doorbell", 0xA00)


def found(kind, *entries, header=HEADER):
    return [item for item in Lanes(header).slices(entries) if isinstance(item, kind)]


def test_a_vcpu_is_in_the_guest_between_entry_and_exit_and_in_the_host_after_it():
    entries = [entry(0, 0, "kvm_guest_enter"), entry(6, 0, "kvm_guest_exit", "hcall"),
               entry(8, 0, "kvm_ppc_cede"), entry(20, 0, "kvm_guest_enter")]  # fmt: skip
    states = [(s.state, s.start, s.end) for s in found(Slice, *entries)]
    assert states == [(GUEST, 0, 6), (HOST, 6, 8), (CEDED, 8, 20), (GUEST, 20, 20)]


def test_an_arrow_leads_from_a_doorbell_to_the_interrupt_of_its_target():
    assert found(Arrow, SEND, TAKE) == [Arrow(0, 4, 1, 9)]


def test_an_arrow_stays_in_the_virtual_core_of_the_sender():
    apart = Header("power9", ("v0", "v1"), (0, 1), (0, 1))
    assert not found(Arrow, SEND, TAKE, header=apart)


@pytest.mark.parametrize("between", [[], [entry(6, 1, "kvm_ppc_doorbell", "cleared")]])
def test_a_doorbell_that_was_cleared_or_never_sent_has_no_arrow(between):
    sends = [SEND] if between else []
    assert not found(Arrow, *sends, *between, TAKE)


def test_doorbells_that_coalesce_have_one_arrow():
    assert found(Arrow, SEND, SEND, TAKE, TAKE) == [Arrow(0, 4, 1, 9)]


def test_rows_of_text_keep_their_width_however_long_the_trace_is():
    entries = [entry(0, 0, "kvm_guest_enter"), SEND, TAKE, entry(1 << 60, 0, "kvm_guest_exit")]
    lines = LaneText(HEADER, 20).lines(entries)
    assert [len(line) for line in lines[1:]] == [25, 25]
    assert "v" in lines[2]
    assert lines[1].startswith("v0 |s#")
