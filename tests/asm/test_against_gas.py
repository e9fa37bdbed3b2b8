"""The same source gives GNU as's bytes."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from emu.asm import assemble_file

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "gas").glob("*.s"))
ENDIANS = {"big": "powerpc64", "little": "powerpc64le"}


@pytest.fixture
def gas(oracle, tmp_path):
    """Section contents as GNU as and ld leave them, every section linked at address 0."""

    def contents(path, endian, *options):
        prefix = ENDIANS[endian]
        as_, objcopy = oracle(f"{prefix}-linux-gnu-as"), oracle(f"{prefix}-linux-gnu-objcopy")
        target = tmp_path / "gas.o"
        subprocess.run(
            [as_, "-mpower9", "-mregnames", *options, "-o", target, path],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert objcopy
        with target.open("rb") as file:
            return {
                section.name: section.data()
                for section in ELFFile(file).iter_sections()
                if section["sh_flags"] & 2 and section["sh_type"] != "SHT_NOBITS" and section.data()
            }

    return contents


def ours(path, endian):
    return {section.name: section.data for section in assemble_file(path, endian=endian).sections
            if section.flags & 2 and section.data}  # fmt: skip


def words(data):
    return [f"{at:#x}: {data[at : at + 4].hex()}" for at in range(0, len(data), 4)]


@pytest.mark.parametrize("endian", ENDIANS)
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_bytes_equal_gnu_as(path, endian, gas):
    theirs = gas(path, endian)
    mine = ours(path, endian)
    assert sorted(mine) == sorted(theirs)
    for name, data in theirs.items():
        assert words(mine[name]) == words(data), name


def expression(rng, depth):
    """A random expression in GNU as's grammar, without division by what may be zero."""
    if depth == 0 or rng.random() < 0.2:
        number = rng.choice([0, 1, 2, 5, 63, 64, 255, 65535, 1 << 31, (1 << 63) - 1, (1 << 64) - 1])
        number = rng.choice([number, rng.getrandbits(rng.randint(1, 64))])
        text = rng.choice([f"{number}", f"{number:#x}", f"{number:#b}"])
        return rng.choice([text, text, "known", "(end - start)"])
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(["-", "~", "!", "+"]) + expression(rng, 0)
    if kind < 0.35:
        return "(" + expression(rng, depth - 1) + ")"
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    operator = rng.choice(
        ["+", "-", "*", "&", "|", "^", "!", "<<", ">>", "==", "!=", "<>", "<", ">", "<=", ">=",
         "&&", "||", "/", "%"]
    )  # fmt: skip
    if operator in "/%":
        right = str(rng.randint(1, 1000))
    if operator in ("<<", ">>"):
        right = str(rng.randint(0, 63))
    if operator == "!" and right.startswith("!"):  # GNU as reads `!!` as `^`
        right = f"({right})"
    return f"{left} {operator} {right}"


def test_random_expressions_equal_gnu_as(gas, tmp_path):
    rng = random.Random(20260101)
    lines = ["    .set known, 0x1234", "start: .space 24", "end:"]
    lines += [f"    .quad {expression(rng, 4)}" for _ in range(3000)]
    path = tmp_path / "expressions.s"
    path.write_text("\n".join(lines) + "\n")
    mine, theirs = ours(path, "big")[".text"], gas(path, "big")[".text"]
    wrong = [
        (line, mine[at : at + 8].hex(), theirs[at : at + 8].hex())
        for line, at in zip(lines[3:], range(24, len(theirs), 8), strict=True)
        if mine[at : at + 8] != theirs[at : at + 8]
    ]
    assert not wrong, f"{len(wrong)} differ"
