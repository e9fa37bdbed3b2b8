"""Every row and every extended mnemonic against GNU as and objdump."""

from __future__ import annotations

import random

import pytest
from gnu_binutils import Binutils
from samples import line, words, written

from emu.isa.bits import sign_extend
from emu.isa.disasm import disassemble
from emu.isa.operands import OPERANDS, OperandError
from emu.isa.spr_mnemonics import OURS
from emu.isa.table import INSNS, MNEMONICS, VARIANTS, candidates, decode, decode_strict, encode

# POWER9 has no nap and its kin; the rest of what we know, -mpower9 knows.
OLD = {variant.mnemonic for row in INSNS if row.until for variant in row.variants}

# Where we differ from objdump on purpose, word by word: (objdump's text, ours).
# An absolute branch target is 64 bits wide; objdump prints 32 of them. CT of icbt has 4 bits in
# the book, 5 in binutils. Words that gas cannot write (a reserved bit set, an invalid form) are
# no instructions to us; objdump names one for some of them.
DIFFERENCES = {
    0x4BFFFFFA: ("ba      0xfffffff8", "ba      0xfffffffffffffff8"),
    0x4182FFF2: ("beqa    0xfffffff0", "beqa    0xfffffffffffffff0"),
    0x7FA0002C: ("icbt    29,0,r0", ".long 0x7fa0002c"),
    0x2C430001: ("cmpwi   r3,1", ".long 0x2c430001"),
    0x7C64299F: ("isel    r3,r4,r5,4*cr1+eq", ".long 0x7c64299f"),
    0xE0850015: ("lq      r4,16(r5)", ".long 0xe0850015"),
    0x4E000420: ("bcctr   16,lt", ".long 0x4e000420"),
    0x7C202120: ("mtcrf   2,r1", ".long 0x7c202120"),
}
# Operand values that gas takes and the book excludes.
GAS_TAKES = (
    "extlwi 3,4,0,1",
    "extrwi 3,4,0,1",
    "inslwi 3,4,0,1",
    "insrwi 3,4,0,1",
    "extldi 3,4,0,1",
    "extrdi 3,4,0,1",
    "insrdi 3,4,0,1",
    "clrlslwi 3,4,2,3",
    "clrlsldi 3,4,2,3",
    "icbt 16,3,4",
)
# Mnemonics that gas knows on processors older than the first that we let have them:
# lq and stq were privileged before ISA 2.07, icbt was not for servers.
OLDER_IN_GAS = {"lq", "stq", "icbt"}


@pytest.fixture(scope="module")
def binutils(oracle, tmp_path_factory):
    return Binutils(oracle, tmp_path_factory.mktemp("binutils"), "power9")


@pytest.fixture(scope="module")
def samples():
    """(mnemonic, source line, word) of every way to write every mnemonic, some of each."""
    rng = random.Random(20)
    found = []
    for mnemonic in sorted(MNEMONICS - OLD - OURS):
        for syntax in candidates(mnemonic):
            for _ in range(5 if syntax.operands else 1):
                sample = written(rng, syntax)
                if sample is not None:
                    found.append((mnemonic, line(syntax, sample[0]), sample[1]))
    return found


def test_every_mnemonic_has_a_sample(samples):
    assert {mnemonic for mnemonic, _, _ in samples} == MNEMONICS - OLD - OURS


def test_our_words_are_those_of_gas(binutils, samples):
    words_of_gas = binutils.assemble([text for _, text, _ in samples])
    differences = [
        (text, hex(word), gas and hex(gas))
        for (_, text, word), gas in zip(samples, words_of_gas, strict=True)
        if word != gas
    ]
    assert differences == []


def is_the_same(theirs: str, ours: str) -> bool:
    """Whether two texts are equal, or differ only in the width of an absolute branch target."""
    if theirs == ours:
        return True
    head, _, target = ours.rpartition("0xffffffff")
    return target != "" and theirs == f"{head}0x{target}"


def test_our_text_is_that_of_objdump(binutils, samples):
    texts = binutils.disassemble([word for _, _, word in samples])
    ours = [disassemble(word, 4 * i) for i, (_, _, word) in enumerate(samples)]
    differences = [
        pair for pair in zip(ours, texts, strict=True) if not is_the_same(pair[1], pair[0])
    ]
    assert differences == []


def test_instructions_that_power9_dropped_are_those_of_power8(oracle, tmp_path):
    binutils = Binutils(oracle, tmp_path, "power8")
    mnemonics = sorted(OLD)
    ours = [encode(mnemonic, ()) for mnemonic in mnemonics]
    assert binutils.assemble(mnemonics) == ours
    assert binutils.disassemble(ours) == [disassemble(word) for word in ours] == mnemonics


def test_documented_differences_still_exist(binutils):
    for word, texts in DIFFERENCES.items():
        assert (binutils.disassemble([word])[0], disassemble(word)) == texts


def test_operand_values_that_only_gas_takes(binutils):
    assert None not in binutils.assemble(GAS_TAKES)
    for text in GAS_TAKES:
        mnemonic, _, operands = text.partition(" ")
        with pytest.raises(OperandError):
            encode(mnemonic, [int(operand) for operand in operands.split(",")])


def test_our_own_register_mnemonics_are_unknown_to_gas(binutils):
    assert set(binutils.assemble([f"{mnemonic} 3" for mnemonic in sorted(OURS)])) == {None}


def test_gas_agrees_on_what_is_an_instruction(binutils):
    """Words with random bits and their neighbours: ours are those that gas can write.

    objdump is more generous: it prints some words with reserved bits set as if they were 0. So
    where it names an instruction of our table and we do not, its text must not give the word.
    """
    rng = random.Random(21)
    opcodes = sorted({variant.match >> 26 for variant in VARIANTS.values()})
    sweep = [opcode << 26 | rng.getrandbits(26) for opcode in opcodes for _ in range(200)]
    sweep += [opcode << 26 | rng.getrandbits(26) for opcode in (4, 19, 30, 31) for _ in range(8000)]
    sweep += [word ^ 1 << rng.randrange(26) for word in words(rng, 20)] + words(rng, 10)
    generous, texts = [], []
    for i, (word, theirs) in enumerate(zip(sweep, binutils.disassemble(sweep), strict=True)):
        ours = disassemble(word, 4 * i)
        mnemonic = theirs.split()[0]
        if decode_strict(word) is not None:
            assert is_the_same(theirs, ours) or (mnemonic == ".long" and ours in OLD)
        elif mnemonic in MNEMONICS and mnemonic != "icbt":
            generous.append(word)
            texts.append(relative(theirs, 0 if decode(word).aa else 4 * i))
    assert len(generous) > 100
    again = binutils.assemble(texts)
    assert [t for t, w, gas in zip(texts, generous, again, strict=True) if w == gas] == []


def relative(text: str, address: int) -> str:
    """Text of objdump with the branch target, if it has one, as a distance from `address`."""
    head, prefix, target = text.rpartition("0x")
    if not prefix:
        return text
    distance = sign_extend(int(target, 16), 32) - address
    return f"{head}.{distance:+d}" if address else f"{head}{distance}"


@pytest.mark.parametrize("machine", [7, 8, 9])
def test_generations_have_the_instructions_that_gas_gives_them(oracle, tmp_path, machine):
    rng = random.Random(22)
    binutils = Binutils(oracle, tmp_path, f"power{machine}")
    rows, lines = [], []
    for row in INSNS:
        # The shortest syntax: optional operands may be younger than the instruction.
        syntax = candidates(row.variants[0].mnemonic)[0]
        sample = written(rng, syntax)
        if sample is not None and row.name not in OLDER_IN_GAS | {"mftb"}:
            rows.append(row)
            lines.append(line(syntax, sample[0]))
    taken = {
        row.name
        for row, word in zip(rows, binutils.assemble(lines), strict=True)
        if word is not None
    }
    assert taken == {row.name for row in rows if row.since <= machine <= (row.until or 9)}


def test_operand_ranges_are_those_of_gas(binutils):
    """At and beyond both ends of each operand, gas and we agree on what is acceptable."""
    rng = random.Random(23)
    lines, ours = [], []
    tested = set()
    for mnemonic in sorted(MNEMONICS - OLD - OURS):
        for syntax in candidates(mnemonic):
            names = [operand.name for operand in syntax.operands]
            for index, operand in enumerate(syntax.operands):
                if operand.key in tested or operand.key in {"CT", "BM"} or "b" in names:
                    continue  # where gas is more generous, see GAS_TAKES
                tested.add(operand.key)
                for edge in (operand.lo, operand.hi, operand.accept_lo, operand.accept_hi):
                    for step in (-operand.multiple, 0, operand.multiple):
                        values, _ = written(rng, syntax)
                        values[index] = edge + step
                        try:
                            word = encode(mnemonic, values)
                        except OperandError:
                            word = None
                        ours.append(word)
                        lines.append(line(syntax, values))
    assert tested <= set(OPERANDS)
    assert len(tested) > 50
    gas = binutils.assemble(lines)
    assert [(a, b, c) for a, b, c in zip(lines, ours, gas, strict=True) if b != c] == []
