"""Whatever the text, the assembler answers soon, with a program or with diagnostics."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.asm import Program, assemble, assemble_file, assemble_object
from emu.asm.directives import DIRECTIVES
from emu.errors import AssemblyError

BOMBS = {
    "a macro that calls itself": ".macro m\nm\n.endm\nm",
    "two macros that call each other": ".macro a\nb\n.endm\n.macro b\na\n.endm\na",
    "a macro that doubles": ".macro m n\nm \\n\\n\nm \\n\\n\n.endm\nm 1",
    "a huge .rept": ".rept 1000000000\nnop\n.endr",
    "nested .rept": ".rept 10000\n.rept 10000\nnop\n.endr\n.endr",
    "deep .rept": ".rept 10\n" * 50 + "nop\n" + ".endr\n" * 50,
    "an empty huge .rept": ".rept 1<<40\n.endr",
    "a negative .rept": ".rept -1\nnop\n.endr",
    "a huge .space": ".space 1<<40",
    "a huge .space in .bss": ".bss\n.space 1<<50",
    "many large .space": ".space 60000000\n" * 3,
    "a negative .space": ".space -1",
    "a huge .fill": ".fill 1<<40, 8, 1",
    "a huge .org": ".org 1<<62",
    "a huge .org after a label": "x: .org x + (1<<60)",
    "a forward .space": ".space x\nx = 1<<40",
    "a forward .org": ".org x\nx = y + (1<<40)\ny:",
    "a size that depends on itself": "a: .space b - a\nb:",
    "an alternating size": "a: .space (b - a) ^ 1\nb:",
    "a huge alignment": ".p2align 63",
    "an alignment that is no power": ".balign 3",
    "NUL bytes": "nop\0\n\0\0\0: .long \0",
    "deep parentheses": ".long " + "(" * 100000 + "1" + ")" * 100000,
    "open parentheses": ".long " + "(" * 100000,
    "unary chain": ".long " + "-" * 100000 + "1",
    "long sum": ".long " + "1+" * 100000 + "1",
    "a million digits": ".quad " + "9" * 1000000,
    "a million hexadecimal digits": ".quad 0x" + "f" * 1000000,
    "a million zeros": ".quad " + "0" * 1000000,
    "a huge shift": ".quad 1 << 0x7fffffffffffffff, 1 << -1, 1 >> (1<<63)",
    "division by zero": ".quad 1/0, 1%0",
    "the most negative quotient": ".quad 0x8000000000000000 / -1",
    "symbols in a circle": "a = b\nb = c\nc = a\n.long a",
    "a chain of symbols": "\n".join(f"a{n} = a{n + 1}" for n in range(5000)) + "\n.long a0",
    "a long line": "nop " + "x" * 1000000,
    "a line of commas": ".byte " + "," * 100000,
    "a line of semicolons": ";" * 100000,
    "a million labels on a line": "a:" * 100000,
    "many operands": ".byte " + "1," * 100000 + "1",
    "an open string": '.ascii "abc',
    "an open comment": "/* abc\nnop\n",
    "an open macro": ".macro x\nnop",
    "an open condition": ".if 1\n" * 2000,
    "a stray .endif": ".endif\n.else\n.endm\n.endr",
    "a macro with strange parameters": ".macro m a,,=b,:req\n.endm\nm 1,2,3",
    "many mistakes": "frob\n" * 100000,
    "a quoted quote": '.ascii "\\"',
    "only a quote": "'",
    "an odd .irpc": ".irpc\n.endr\n.irp\n.endr\n.irp ,\n.endr",
    "a directive without operands": "\n".join(
        sorted(name for name in DIRECTIVES if name.startswith(".") and not name.startswith(".if"))
    ),
    "undecodable names": "\udcff\udcfe: .long \udc80",
    "a register everywhere": ".long %r3, r3\nadd %cr1, cr1, lt\nb %r3",
    "a modifier everywhere": ".long 5@toc, x@got@l\nb x@l\naddi 3,3,x@foo@bar",
}  # fmt: skip


def outcome(text):
    """The program, or why there is none."""
    try:
        return assemble(text), None
    except AssemblyError as error:
        return None, error


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_harmless(name):
    program, refusal = outcome(BOMBS[name])
    if refusal is not None:
        assert refusal.diagnostics
        assert all(d.render().startswith(("error: ", "warning: ")) for d in refusal.diagnostics)
        assert len(str(refusal)) < 1_000_000
    else:
        assert sum(len(segment.data) for segment in program.segments) <= 64 << 20


def test_an_include_cycle_is_refused(tmp_path):
    path = tmp_path / "again.s"
    path.write_text('.include "again.s"\n.include "again.s"\n')
    with pytest.raises(AssemblyError, match="nest 100 deep"):
        assemble_file(path)


def test_a_directory_is_no_source(tmp_path):
    with pytest.raises(AssemblyError, match="cannot read the source file"):
        assemble_file(tmp_path)


def test_bytes_that_are_not_utf8_reach_strings_unchanged(tmp_path):
    path = tmp_path / "latin.s"
    path.write_bytes(b'.ascii "caf\xe9" # \xff\n')
    assert assemble_file(path).segments[0].data == b"caf\xe9"


PIECES = st.sampled_from(
    ["nop", "addi", "lwz", "bne", "b", "1:", "1b", "1f", "r3", "%r4", "3", ",", "(", ")", "8(r1)",
     "x", "x:", "x=", ".", "@l", "@ha", "@toc@l", "+", "-", "*", "/", "<<", "\\", "\\@", "\\x",
     "#", "//", "/*", "*/", ";", "\n", "\n", "\n", " ", "\t", '"', "'", '"a"', ".byte", ".long",
     ".quad", ".macro m x", ".endm", "m", ".rept 3", ".irp x,1,2", ".irpc x,ab", ".endr", ".if 1",
     ".if x", ".else", ".elseif 0", ".endif", ".org 0x100", ".org x", ".space 3", ".space x",
     ".align 3", ".p2align 2,,1", ".set x,5", ".set x,x+1", ".section .data", ".text", ".bss",
     ".previous", ".pushsection .toc", ".popsection", ".comm c,8,8", ".globl x",
     ".type x,@function",
     ".size x,.-x", ".localentry x,8", ".uleb128 x-1b", ".uleb128", ".loc 1 2", '.file 1 "a"',
     ".ascii", ".fill", ".equiv", ".lcomm", ".float 1", ".octa", ".exitm", ".end", ".incbin",
     "0x", "0b", "08", "99999999999999999999", "\0", "é", "cr1", "4*cr1+eq", "lt", "TIR"]
)  # fmt: skip


def check(text):
    try:
        assemble_object(text)
    except AssemblyError as error:
        assert error.diagnostics  # noqa: PT017  both ends are good ones
    program, refusal = outcome(text)
    if refusal is not None:
        assert any(d.severity == "error" for d in refusal.diagnostics)
    else:
        assert isinstance(program, Program)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=60).map(" ".join))
def test_any_arrangement_of_assembler_text_is_assembled_or_diagnosed(text):
    check(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_assembled_or_diagnosed(text):
    check(text)
