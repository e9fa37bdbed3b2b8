"""Merged sections: the bytes of GNU ld, whatever strings and alignments; and what is left alone."""

from __future__ import annotations

import random

import pytest
from asm.test_gcc_output import check, tools  # noqa: F401 - a fixture

from emu.asm import assemble, assemble_listing


def drawn(seed):
    """A program of a few merged sections, all of whose entries are referred to."""
    source = random.Random(seed)
    lines, labels = [], []
    for number in range(source.randrange(1, 4)):
        kind, size = source.choice([("S", 1), ("S", 1), ("S", 1), ("S", 4), ("", 4), ("", 8)])
        align = source.choice([1, 1, 2, 4, 8])
        lines.append(f'\t.section .rodata.x{number},"aM{kind}",@progbits,{size}')
        lines.append(f"\t.balign {align}")
        for index in range(source.randrange(1, 12)):
            lines.append(f"\t.balign {source.choice([1, align, align])}")
            lines.append(f"L{number}_{index}:")
            labels.append(f"L{number}_{index}")
            if (kind, size) == ("S", 1):
                text = "".join(source.choice("ab") for _ in range(source.randrange(5)))
                text = source.choice(["hello", "lo", "o", ""]) if source.random() < 0.3 else text
                lines.append(f'\t.string "{text}"')
            elif kind:
                wide = [str(source.randrange(1, 3)) for _ in range(source.randrange(4))]
                lines.append("\t.long " + ",".join([*wide, "0"]))
            else:
                words = [str(source.randrange(2)) for _ in range(size // 4)]
                lines.append("\t.long " + ",".join(words))
    lines.append("\t.text\n\t.globl _start\n_start: nop")
    lines += [f"\tlis 3,{label}@ha\n\taddi 3,3,{label}@l" for label in labels[::4]]
    lines.append("\t.data")
    lines += [f"\t.quad {label}{source.choice(['', '', '+1', '-.'])}" for label in labels]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(24))
def test_random_strings_and_constants_are_merged_as_ld_does(seed, tools, tmp_path):  # noqa: F811
    source = tmp_path / "drawn.s"
    source.write_text(drawn(seed))
    check(source, "big-v2", tools, tmp_path)


def merged(source):
    program = assemble(f'.section .s,"aMS",@progbits,1\n{source}\n.text\nnop\n')
    (found,) = (section for section in program.sections if section.name == ".s")
    return program, found


def test_symbols_go_where_their_strings_go():
    program, section = merged('a: .string "xyz"\nb: .string "yz"\nc: .string "xyz"')
    assert section.data == b"xyz\0"
    places = [program.symbols[name].address - section.address for name in "abc"]
    assert places == [0, 1, 0]


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ('.string "a"\n.string "a"\n.ascii "a"', b"a\0a\0a"),  # the last one has no end
        ('.string "a"\n.byte end - 1, 0\n.string "a"\n.set end, 2', b"a\0\1\0a\0"),
        ('.string "a"\n.space later\n.string "a"\n.set later, 0', b"a\0a\0"),
    ],
)
def test_what_is_not_known_or_has_no_end_is_left_alone(source, data):
    assert merged(source)[1].data == data


def test_distances_within_a_section_are_those_of_the_source():
    program, _ = merged('a: .string "x"\nb: .string "x"\n.size a, b - a\n.data\n.long b - a, c - a'
                        '\n.section .s\nc: .string "x"\n')  # fmt: skip
    assert program.symbols["a"].size == 2
    (data,) = (section for section in program.sections if section.name == ".data")
    assert data.data == bytes([0, 0, 0, 2, 0, 0, 0, 4])


def test_the_listing_shows_each_string_where_it_has_gone():
    text = '.section .s,"aMS",@progbits,1\n.string "xyz"\n.string "yz"\n.text\n_start: nop\n'
    _, shown = assemble_listing(text, filename="s.s")
    rows = [line.split() for line in shown.splitlines()]
    first = int(next(row for row in rows if row[:1] == ["2"])[1], 16)
    assert ["3", f"{first + 1:08x}", "797A00"] in [row[:3] for row in rows]
