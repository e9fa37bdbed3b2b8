"""The manual says what the tables say, for every name, and helps with a misspelt one."""

from __future__ import annotations

import re

import pytest

from emu.isa import hcalls, interrupts, sprs
from emu.isa.manual import UnknownNameError, index, instruction_page, manual, page, picture
from emu.isa.notes import NOTES
from emu.isa.table import ALIASES, INSNS, VARIANTS


@pytest.mark.parametrize("mnemonic", VARIANTS)
def test_every_mnemonic_has_the_page_of_its_row(mnemonic):
    row = VARIANTS[mnemonic].insn
    text = page(mnemonic)
    assert text == instruction_page(row)
    assert row.summary in text
    assert row.source in text
    assert f"{row.form}-form" in text
    for variant in row.variants:
        assert re.search(rf"^  {re.escape(variant.mnemonic)}( |$)", text, re.MULTILINE)


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_a_page_explains_every_field_of_the_picture(row):
    fields = {label for label, _, _ in row.boxes if not label.isdigit() and label != "/"}
    text = instruction_page(row)
    if not fields:
        assert "\nFields\n" not in text
        return
    explained = re.search(r"\nFields\n(.*?)\n\n", text, re.DOTALL)[1]
    assert {line.split()[0] for line in explained.splitlines() if line[2] != " "} == fields


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_the_ruler_counts_the_bits_that_each_box_begins_at(row):
    edge, body, below, ruler = picture(row.boxes)
    assert edge == below
    starts = [place for place, character in enumerate(edge) if character == "+"][:-1]
    assert [body[place] for place in starts] == ["|"] * len(starts)
    for place, (label, first, last) in zip(starts, row.boxes, strict=True):
        assert re.match(rf"{first}\b", ruler[place:]), (label, first, last)
    assert ruler.endswith("31")


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_privileged_instructions_list_the_program_interrupt(row):
    listed = "0x700 Program" in instruction_page(row)
    if row.privilege != "problem":
        assert listed


def test_msgsndp_names_its_facility_and_both_interrupts():
    text = page("msgsndp")
    assert "MSGP" in text
    assert "0xf80 Hypervisor Facility Unavailable" in text
    assert "0x700 Program" in text
    assert "0x7c00011c" in text


def test_an_extended_mnemonic_leads_to_its_base():
    text = page("srwi")
    assert "srwi RA,RS,n  = rlwinm RA,RS,32-n,n,31" in text
    assert "Rotate Left Word Immediate then AND with Mask" in text


@pytest.mark.parametrize("mnemonic", sorted({name for name, _ in ALIASES} - set(VARIANTS)))
def test_every_extended_mnemonic_has_a_page(mnemonic):
    assert page(mnemonic).startswith(mnemonic)


@pytest.mark.parametrize("row", sprs.SPRS, ids=lambda row: f"{row.number}-{row.name}")
def test_every_spr_has_a_page_by_number(row):
    text = page(f"spr{row.number}")
    assert text.startswith(row.name.upper())
    assert f"{row.number} ({row.number:#x})" in text
    assert page(f"SPR{row.number}") == text


def test_a_register_with_named_bits_lists_them():
    assert re.search(r"^  MSGP +53 ", page("hfscr"), re.MULTILINE)
    assert re.search(r"^  EE +48 ", page("MSR"), re.MULTILINE)


@pytest.mark.parametrize("row", interrupts.INTERRUPTS, ids=lambda row: row.name)
def test_every_interrupt_has_a_page_by_name_vector_and_title(row):
    text = page(row.title)
    assert page(row.name) == page(f"{row.vector:#X}") == text
    assert f"{row.vector:#x}" in text


@pytest.mark.parametrize("row", hcalls.HCALLS, ids=lambda row: row.name)
def test_every_hcall_has_a_page_with_its_registers(row):
    text = page(row.name)
    assert f"{row.number:#x}" in text
    for register, argument in enumerate(row.arguments, 4):
        assert re.search(rf"^  r{register} +{argument}$", text, re.MULTILINE)


@pytest.mark.parametrize("key", NOTES)
def test_every_note_stands_on_its_page(key):
    text = " ".join(page(key.replace("_", ".") if key == "slbfee_" else key).split())
    assert "On this machine " + " ".join(NOTES[key].split()) in text


def test_a_misspelt_name_earns_suggestions():
    with pytest.raises(UnknownNameError, match=r"no page 'msgsnpd'; did you mean .*msgsndp"):
        page("msgsnpd")


def test_a_name_like_no_other_earns_none():
    with pytest.raises(UnknownNameError, match=r"^the manual has no page 'qqqqqqqq'$"):
        page("qqqqqqqq")


def test_pages_fit_the_terminal():
    for row in INSNS:
        for line in instruction_page(row).splitlines():
            assert len(line) <= 80, line


def test_the_index_names_everything():
    words = set(index().split())
    assert set(VARIANTS) <= words
    assert {name for name, _ in ALIASES if not name.endswith(("+", "-"))} <= words
    assert {row.name for row in sprs.SPRS} <= words
    assert {row.name for row in hcalls.HCALLS} <= words


def test_the_whole_manual_has_one_block_for_each_entry():
    text = manual()
    blocks = re.findall(r"^```text\n(\S+)", text, re.MULTILINE)
    expected = len(INSNS) + 2 + len({row.name for row in sprs.SPRS})
    assert len(blocks) == expected + len(interrupts.INTERRUPTS) + len(hcalls.HCALLS)


def test_an_instruction_shows_the_extended_mnemonics_that_are_spelt_like_it():
    assert "mftb RT,TBR  = mfspr RT,TBR" in page("mftb")
    assert "mtcrf FXM,RS  = mtocrf FXM,RS" in page("mtcrf")


def test_operands_are_called_as_the_book_calls_them():
    assert "dcbtct RA,RB[,TH]  = dcbt RA,RB,TH" in page("dcbt")
    assert "@" not in manual()
