import random
from itertools import combinations

import pytest
from samples import words

from emu.isa import table
from emu.isa.facilities import BY_NAME
from emu.isa.instruction import VARIES
from emu.isa.invalid import INVALID_FORMS
from emu.isa.operands import Kind, OperandError
from emu.isa.table import INSNS, MNEMONICS, VARIANTS, candidates, decode, decode_strict, encode


def test_no_word_is_two_instructions():
    for a, b in combinations(VARIANTS.values(), 2):
        common = a.opcode_mask & b.opcode_mask
        assert (a.match ^ b.match) & common, f"{a.mnemonic} overlaps {b.mnemonic}"


def test_mnemonics_and_names_are_unique():
    variants = [variant for row in INSNS for variant in row.variants]
    assert len({v.mnemonic for v in variants}) == len({v.ident for v in variants}) == len(variants)
    assert len({row.name for row in INSNS}) == len(INSNS)


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_a_row_accounts_for_all_32_bits_once(row):
    assert [first for _, first, _ in row.boxes] == [0] + [last + 1 for _, _, last in row.boxes[:-1]]
    assert row.boxes[-1][2] == 31
    for variant in row.variants:
        fields = [operand.field_mask for operand in variant.operands]
        assert sum(fields) | variant.mask == 0xFFFFFFFF
        assert sum(fields) & variant.mask == 0
        assert all(a & b == 0 for a, b in combinations(fields, 2))
        assert variant.match & ~variant.mask == 0
        assert variant.opcode_mask & ~variant.mask == 0


@pytest.mark.parametrize("row", INSNS, ids=lambda row: row.name)
def test_a_row_says_all_that_the_manual_prints(row):
    assert row.source
    assert row.summary
    assert row.rtl
    assert row.facility in {"", *BY_NAME}
    assert row.privilege in {"problem", "privileged", "hypervisor"}
    assert row.since in {7, 8, 9}
    assert row.until in {0, 7, 8}
    assert max(row.load, row.store) in {VARIES, 0, 1, 2, 4, 8, 16, 128}


def test_operands_are_a_displacement_and_its_base_or_none():
    for mnemonic in MNEMONICS:
        for syntax in candidates(mnemonic):
            kinds = [operand.kind for operand in syntax.operands]
            if Kind.DISPLACEMENT in kinds:
                at = kinds.index(Kind.DISPLACEMENT)
                assert kinds[at + 1 :] == [Kind.GPR]


def test_the_words_of_doorbells_are_those_of_the_book():
    assert encode("msgsnd", [0]) == 0x7C00019C
    assert encode("msgclr", [0]) == 0x7C0001DC
    assert encode("msgsndp", [4]) == 0x7C00211C
    assert encode("msgclrp", [0]) == 0x7C00015C
    assert encode("msgsync", []) == 0x7C0006EC
    assert encode("mfspr", [3, 446]) == encode("mftir", [3]) == 0x7C7E6AA6
    assert encode("mfspr", [3, 176]) == encode("mfdpdes", [3]) == 0x7C702AA6
    assert encode("mtspr", [176, 3]) == encode("mtdpdes", [3]) == 0x7C702BA6


def test_decoding_finds_the_variant_whatever_the_operands():
    rng = random.Random(1)
    for variant in VARIANTS.values():
        for _ in range(20):
            word = variant.match | (rng.getrandbits(32) & ~variant.mask)
            assert decode(word) is variant
            assert decode_strict(word) is (variant if variant.is_valid(word) else None)


def test_reserved_bits_do_not_matter_to_execution():
    rng = random.Random(2)
    for variant in VARIANTS.values():
        reserved = variant.mask & ~variant.opcode_mask
        for bit in (1 << i for i in range(32) if reserved >> i & 1):
            word = variant.match ^ bit | (rng.getrandbits(32) & ~variant.mask)
            assert decode(word) is variant
            assert decode_strict(word) is None


def test_words_that_name_no_instruction_are_none():
    for word in (0, 0x04000000, 0x7C00017E, 0x4C0003C0, 0xFFFFFFFF):
        assert decode(word) is decode_strict(word) is None


def test_encode_inverts_decode():
    for word in words(random.Random(3), 50):
        variant = decode_strict(word)
        if variant is not None:
            assert encode(variant.mnemonic, variant.extract(word)) == word


@pytest.mark.parametrize(
    ("mnemonic", "operands", "message"),
    [
        ("adddd", [], "there is no instruction adddd"),
        ("add", [3, 4], "add takes 3 operands, got 2"),
        ("cmpw", [1], "cmpw takes 2 or 3 operands, got 1"),
        ("addi", [3, 4, 40000], "SI must be between -32768 and 32767, got 40000"),
        ("lwzu", [3, 8, 0], "lwzu with RA=0 is an invalid form"),
        ("ldu", [3, 8, 3], "ldu with RA=RT is an invalid form"),
        ("lmw", [5, 8, 9], "lmw with RA>=RT is an invalid form"),
        ("lq", [3, 0, 4], "lq with RT odd is an invalid form"),
        ("mtocrf", [3, 4], "mtocrf with FXM not one bit is an invalid form"),
        ("bc", [5, 2, 8], "bc with BO reserved is an invalid form"),
        ("bcctr", [16, 0], "bcctr with BO counts is an invalid form"),
        ("bc+", [20, 0, 8], "BO 20 has no place for a hint"),
        ("bc+", [14, 0, 8], "BO 14 contradicts the hint"),
        ("extrwi", [3, 4, 8, 28], "SH = b+n must be between 0 and 32, got 36"),
        ("clrlslwi", [3, 4, 2, 3], "MB = b-n must be between 0 and 31, got -1"),
        ("mftb", [3, 300], "TBR must be between 268 and 269, got 300"),
        ("b", [1 << 25], "LI must be between -33554432 and 33554428, got 33554432"),
    ],
)
def test_what_cannot_be_encoded_is_told_with_rule_and_value(mnemonic, operands, message):
    with pytest.raises(OperandError) as caught:
        encode(mnemonic, operands)
    assert str(caught.value) == message


def test_a_misfit_names_the_written_operand():
    with pytest.raises(OperandError) as caught:
        encode("addi", [3, 4, 40000])
    assert caught.value.index == 2


def test_the_first_candidate_that_fits_counts():
    assert encode("mtcrf", [0x80, 3]) == encode("mtocrf", [0x80, 3])
    assert encode("mtcrf", [0xC0, 3]) == 0x7C6C0120
    assert [len(syntax.operands) for syntax in candidates("cmpw")] == [2, 3]
    assert candidates("adddd") == ()


def test_the_table_is_assembled_from_the_chapters_in_the_books_order():
    assert sum(len(chapter.INSNS) for chapter in table.CHAPTERS) == len(INSNS)
    assert [INSNS[0].name, INSNS[-1].name] == ["b", "msgsync"]


def test_every_rule_for_invalid_forms_is_used():
    assert {rule for row in INSNS for rule in row.invalid} == set(INVALID_FORMS)
