import random

import pytest
from samples import words

from emu.isa.disasm import disassemble
from emu.isa.table import candidates, decode_strict


def test_every_word_is_written_in_a_way_that_encodes_it():
    for word in words(random.Random(4), 50):
        text = disassemble(word)
        if decode_strict(word) is None:
            assert text == f".long {word:#x}"
            continue
        solutions = [
            syntax.encode(values)
            for syntax in candidates(text.split()[0])
            if (values := syntax.written(word)) is not None
        ]
        assert word in solutions


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x7C00211C, "msgsndp r4"),
        (0x38600007, "li      r3,7"),
        (0x80640008, "lwz     r3,8(r4)"),
        (0x80600008, "lwz     r3,8(0)"),
        (0x41EA0040, "beq+    cr2,0x1040"),
        (0x4BFFFFF8, "b       0xff8"),
        (0x48000103, "bla     0x100"),
        (0x4C423382, "cror    eq,eq,4*cr1+eq"),
        (0x4E800020, "blr"),
        (0x7C7042A6, "mfsprg  r3,0"),
        (0x00000000, ".long 0x0"),
    ],
)
def test_text_is_as_objdump_prints_it(word, text):
    assert disassemble(word, 0x1000) == text


def test_a_branch_target_has_the_name_that_the_caller_knows():
    assert disassemble(0x4BFFFFF8, 0x1000, {0xFF8: "loop"}.get) == "b       ff8 <loop>"
    assert disassemble(0x4BFFFFF8, 0x2000, {0xFF8: "loop"}.get) == "b       0x1ff8"


def test_a_branch_before_address_0_wraps():
    assert disassemble(0x4BFFFFF8, 0) == "b       0xfffffffffffffff8"
